//! What a caller may believe whose library does not say what became of the work, and how it tries again.
//!
//! It is read off the place where the work stopped, and generously. Before COMMIT (or the one statement) was sent
//! nothing can stay, whatever the error; after that only an error of the server itself says no, and not one that says
//! that the server or the connection is going away. A caller who tries again keeps in mind that an earlier try may have
//! happened, and then never says that it failed.

use super::PRESCRIBED;
use crate::op::{Deed, Op};
use plimsoll_faults::ledger::End;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::time::{sleep, timeout};

/// How far a try has come.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

const OPEN: u8 = 1;
const SENT: u8 = 2;

impl Progress {
    /// There is a connection.
    pub(super) fn open(&self) {
        self.0.store(OPEN, Ordering::Relaxed);
    }

    /// What makes it stay is on its way.
    pub(super) fn sent(&self) {
        self.0.store(SENT, Ordering::Relaxed);
    }

    fn end(&self) -> End {
        match self.0.load(Ordering::Relaxed) {
            0 => End::Refused,
            OPEN => End::Failed,
            _ => End::Unknown,
        }
    }
}

/// Why a try failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server said no, with a SQLSTATE.
    Server(String),
    /// There was no connection, or it ended.
    Connection,
    /// The caller left off: there is nothing to try again.
    LeftOff,
}

impl Failure {
    /// Classes 08, 57 and XX: the server or the connection ends, at a moment that may be after the COMMIT.
    fn is_going_away(&self) -> bool {
        match self {
            Failure::Server(code) => ["08", "57", "XX"].iter().any(|class| code.starts_with(class)),
            Failure::Connection => true,
            Failure::LeftOff => false,
        }
    }

    /// What the guides try again: errors of the connection, timeouts, and collisions.
    fn may_be_tried_again(&self) -> bool {
        self.is_going_away() || matches!(self, Failure::Server(code) if code.starts_with("40"))
    }
}

/// What became of a try that failed here.
pub(super) fn end_of(progress: &Progress, failure: &Failure) -> End {
    match progress.end() {
        End::Unknown if !failure.is_going_away() => End::Failed,
        end => end,
    }
}

/// A try that may come to nothing in time.
pub(super) type Try<'a> = futures_util::future::BoxFuture<'a, Result<(), Failure>>;

/// One id, by so many tries.
pub(super) async fn one<'a>(
    deed: &'a Deed,
    retries: bool,
    mut attempt: impl FnMut(&'a Deed, std::sync::Arc<Progress>) -> Try<'a>,
) -> End {
    let mut pauses = PRESCRIBED.iter().take(if retries { PRESCRIBED.len() } else { 0 });
    let mut may_have_happened = false;
    loop {
        let progress = std::sync::Arc::new(Progress::default());
        let failure = match timeout(deed.patience, attempt(deed, std::sync::Arc::clone(&progress))).await {
            Ok(Ok(())) => return End::Acknowledged,
            Ok(Err(failure)) => failure,
            // A wait that is given up looks like a connection that does not answer.
            Err(_) => Failure::Connection,
        };
        let end = end_of(&progress, &failure);
        may_have_happened |= end == End::Unknown;
        let pause = if failure.may_be_tried_again() && deed.op != Op::Poison { pauses.next() } else { None };
        match pause {
            Some(pause) => sleep(*pause).await,
            None if may_have_happened => return End::Unknown,
            None => return end,
        }
    }
}

/// What was told of each id: a part that was rolled back by itself is not stored with the rest.
pub(super) fn parts(deed: &Deed, whole: End, part: Option<End>) -> Vec<End> {
    match deed.op {
        // An earlier try may have stored the part all the same.
        Op::Savepoint if whole == End::Unknown => vec![whole, End::Unknown],
        Op::Savepoint => vec![whole, part.unwrap_or(whole)],
        _ => vec![whole],
    }
}
