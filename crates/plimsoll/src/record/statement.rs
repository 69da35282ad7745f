//! A statement that has ended, as the record is told of it.

use crate::error::Outcome;
use crate::fault::Fault;
use crate::sql::Strings;
use std::time::{Duration, SystemTime};

/// What is known of a statement that has ended.
pub(crate) struct Ended<'a> {
    /// Stands for its text: see [`Monitor::number`](super::Monitor::number).
    pub(crate) number: u64,
    /// Its text, unless the caller gave a prepared statement.
    pub(crate) text: Option<&'a str>,
    /// How the server reads a plain `'..'` in it, if that is known.
    pub(crate) strings: Option<Strings>,
    pub(crate) took: Duration,
    /// When it ended.
    pub(crate) at: SystemTime,
    pub(crate) end: End,
}

/// How a statement ended.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Answered {
        rows: u64,
    },
    Failed {
        fault: Fault,
        outcome: Outcome,
    },
    /// Its caller dropped it before it ended.
    Dropped,
}
