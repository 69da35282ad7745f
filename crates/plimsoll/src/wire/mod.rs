//! Everything that touches the wire. No connection to PostgreSQL is made anywhere else.
//!
//! | file | what it does |
//! |---|---|
//! | [`connect`] | opens a connection: to which host, within what limit, and what it says when it fails |
//! | [`password`](mod@password) | the password of one connect |
//! | [`direct`] | one plain connection, without pool and limits |
//! | [`socket`], [`tls`] | the byte stream beneath, and its encryption |
//! | [`handshake`], [`limits`] | from an open stream to a session that is proven to carry its limits |
//! | [`guardrails`], [`stated`] | what the limits are, and what every transaction behind a pooler states |
//! | [`varying`] | how a transaction is told what differs from one to the next |
//! | [`naming`] | what becomes of the names of prepared statements behind a transaction pooler |
//! | [`driver`] | the task that moves a connection's bytes |
//! | [`tap`] | sees every message as it passes; [`frames`] cuts the bytes into messages |
//! | [`protocol`] | puts the messages together, with [`pipeline`], [`effects`], [`context`], [`parameters`] |
//! | [`session_state`], [`transaction_status`] | what is known of a session, for other tasks to read |
//! | [`link`](mod@link) | one connection, as everything but its borrower sees it |
//! | [`given_up`], [`stop`], [`cancel`] | what was given up, how it is stopped, and the cancel request itself |
//! | [`copying`] | COPY on the wire |
//! | [`swelling`] | whether large messages have left large buffers behind |
//! | [`demotion`] | which connections lead to a server that takes no writes any more |
//! | [`recycle`] | makes a returned connection fit for the next borrower |

pub(crate) mod cancel;
pub(crate) mod connect;
pub(crate) mod context;
pub(crate) mod copying;
pub(crate) mod demotion;
pub(crate) mod direct;
pub(crate) mod driver;
mod effects;
mod frames;
pub(crate) mod given_up;
pub(crate) mod guardrails;
pub(crate) mod handshake;
mod limits;
pub(crate) mod link;
pub(crate) mod marks;
pub(crate) mod naming;
mod parameters;
mod password;
mod pipeline;
mod protocol;
pub(crate) mod recycle;
pub(crate) mod session_state;
pub(crate) mod socket;
pub(crate) mod stated;
pub(crate) mod stop;
pub(crate) mod swelling;
pub(crate) mod tap;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod transaction_status;
pub(crate) mod varying;
