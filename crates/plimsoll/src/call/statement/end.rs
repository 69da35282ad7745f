//! The one place where a statement ends, whatever way it took: answered, refused, stopped, failed, dropped by its caller,
//! or streamed to its end. How long it took, how many rows it gave and what has become of it are known here.
//!
//! Whatever watches statements listens in [`Running`]'s drop. Today that is a trace for `tracing`.

use crate::error::{Error, Outcome, Result};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use tracing::Level;

/// A statement that runs. It ends when this is dropped.
pub(crate) struct Running<'a> {
    work: &'a WorkName,
    began: Moment,
    end: End,
}

/// How a statement ended.
#[derive(Clone, Copy)]
enum End {
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

impl<'a> Running<'a> {
    pub(crate) fn begin(work: &'a WorkName) -> Self {
        Running { work, began: Moment::now(), end: End::Dropped }
    }

    /// The caller gets this result.
    pub(crate) fn end<T>(mut self, result: &Result<T>, rows: impl FnOnce(&T) -> u64) {
        self.set_end(result.as_ref().map(rows));
    }

    /// The same for a stream, which lives on after it has given its last row.
    pub(super) fn set_end(&mut self, rows: Result<u64, &Error>) {
        self.end = match rows {
            Ok(rows) => End::Answered { rows },
            Err(error) => End::Failed { fault: error.fault(), outcome: error.outcome() },
        };
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !tracing::enabled!(target: "plimsoll", Level::TRACE) {
            return;
        }
        let (work, took) = (self.work, self.began.elapsed());
        match self.end {
            End::Answered { rows } => {
                tracing::trace!(target: "plimsoll", %work, ?took, rows, "a statement was answered");
            }
            End::Failed { fault, outcome } => tracing::trace!(
                target: "plimsoll", %work, ?took, code = fault.code(), %outcome, "a statement failed"
            ),
            End::Dropped => tracing::trace!(target: "plimsoll", %work, ?took, "a statement was dropped"),
        }
    }
}
