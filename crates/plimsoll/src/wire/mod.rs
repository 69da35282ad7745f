//! Everything that touches the wire. No connection to PostgreSQL is made anywhere else.

pub(crate) mod cancel;
pub(crate) mod connect;
pub(crate) mod context;
pub(crate) mod copying;
pub(crate) mod driver;
mod frames;
pub(crate) mod given_up;
pub(crate) mod guardrails;
pub(crate) mod handshake;
pub(crate) mod link;
pub(crate) mod naming;
mod parameters;
mod protocol;
pub(crate) mod recycle;
pub(crate) mod session_state;
pub(crate) mod socket;
pub(crate) mod stated;
pub(crate) mod stop;
pub(crate) mod tap;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod transaction_status;
