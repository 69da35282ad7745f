//! One statement on a lent connection.
//!
//! | file | what it holds |
//! |---|---|
//! | [`executor`] | the way that every statement takes: settle, check the time, send, wait, class the answer |
//! | [`request`] | one request on the wire, and what stops it when its caller leaves |
//! | [`run`] | by which messages a statement runs: named, with known types, or in a transaction of its own |
//! | [`flight`] | a transaction of one statement, in as few round trips as are safe |
//! | [`stream`] | rows and copies that arrive bit by bit |
//! | [`cache`], [`knowledge`], [`names`] | prepared statements, what is known of their types, and by which names a server knows them |
//! | [`stale`], [`stray`], [`copy`] | a statement whose plan is out of date, that a cancel hit by mistake, that was a COPY |

mod bounded;
pub(crate) mod cache;
pub(crate) mod copy;
pub(crate) mod end;
pub(crate) mod executor;
mod failure;
pub(crate) mod fetch;
pub(crate) mod flight;
pub(crate) mod knowledge;
pub(crate) mod names;
pub(crate) mod query;
pub(crate) mod run;
mod script;
pub(crate) mod send;
mod settle;
pub(crate) mod stale;
pub(crate) mod stop;
pub(crate) mod stray;
pub(crate) mod stream;
