//! Told against stored: whether what callers were told agrees with what is in the table, whatever breaks.
//!
//! A pool may lie in three ways: a row that was acknowledged is not there (*lost*), one that was told to have failed is
//! there all the same (a *phantom*), one is there more than once (*doubled*). No lie of this kind shows in a test of one
//! call, since each needs a trouble at a certain moment. So here workers write ids that nobody else has, by every kind
//! of operation that a program has ([`Op`]), while a trouble ([`Fault`]) strikes their server, their wire, their pooler
//! or themselves; each keeps a log of what it was told; and at the end the log is held against the table.
//!
//! Several *lanes* run side by side on one server, each with a database, a wire and a pool of its own, and every trouble
//! strikes all of them at one time and from one seed: Plimsoll, and with the feature `peers` deadpool-postgres and sqlx,
//! each with the retries that services are told to have and without them ([`Lane`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `op` | the operations, and the tables that they write to |
//! | `client` | how each lane does an operation, and what its caller may believe afterwards |
//! | `log` | what was told, and when |
//! | `work` | workers that make one call after another |
//! | `stage` | the servers, the wires, the poolers |
//! | `fault` | the table of faults; `trouble` plays them |
//! | `play` | one fault, one seed: from the first call to the verdict |
//! | `figures` | what many plays come to |
//! | `page` | that as Markdown |
//!
//! The program of this crate plays all of it and writes `docs/ledger.md` (`make ledger`); `tests/` plays a part of it
//! through Plimsoll alone.

mod client;
mod fault;
mod figures;
mod log;
mod op;
pub mod page;
mod play;
mod stage;
mod trouble;
mod work;

pub use client::Lane;
pub use fault::Fault;
pub use figures::{Count, Figures, Row, Times};
pub use op::Op;
pub use play::{Play, Played};
pub use stage::{There, Way};
pub use trouble::live_until_killed;
