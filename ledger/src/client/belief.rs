//! What a caller may believe whose library does not say what became of the work, and how it tries again.
//!
//! It is read off the place where the work stopped, and generously. Before COMMIT (or the one statement) was sent
//! nothing can stay, whatever the error; after that only an error of the server itself says no, and not one that says
//! that the server or the connection is going away. A caller who tries again keeps in mind that an earlier try may have
//! happened, and then never says that it failed.

use super::PRESCRIBED;
use crate::op::{Deed, Op};
use parking_lot::Mutex;
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
fn end_of(progress: &Progress, failure: &Failure) -> End {
    match progress.end() {
        End::Unknown if !failure.is_going_away() => End::Failed,
        end => end,
    }
}

/// A peer's pool: how it does an operation once, and what its errors say.
pub(super) trait Peer: Sync {
    type Error;

    /// What is one statement, or a few that are texts of their own.
    fn bare(&self, deed: &Deed, progress: &Progress) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// A transaction of the library's; says of its savepoint, if it has one, how that ended by itself.
    fn transaction(
        &self,
        deed: &Deed,
        progress: &Progress,
        part: &Mutex<Option<End>>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Why it failed.
    fn failure(error: &Self::Error) -> Failure;
}

/// Does it, with as many tries as there are; gives what is to be believed of each id.
pub(super) async fn act<P: Peer>(peer: &P, deed: &Deed, retries: bool) -> Vec<End> {
    let part: Mutex<Option<End>> = Mutex::default();
    let whole = tried(peer, deed, retries, &part).await;
    parts(deed, whole, part.into_inner())
}

/// One id, by so many tries.
async fn tried<P: Peer>(peer: &P, deed: &Deed, retries: bool, part: &Mutex<Option<End>>) -> End {
    let mut pauses = PRESCRIBED.iter().take(if retries { PRESCRIBED.len() } else { 0 });
    let mut may_have_happened = false;
    loop {
        let progress = Progress::default();
        *part.lock() = None;
        let failure = match timeout(deed.patience, once(peer, deed, &progress, part)).await {
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

async fn once<P: Peer>(
    peer: &P,
    deed: &Deed,
    progress: &Progress,
    part: &Mutex<Option<End>>,
) -> Result<(), Failure> {
    let done = match deed.op.is_a_transaction() {
        true => peer.transaction(deed, progress, part).await,
        false => peer.bare(deed, progress).await,
    };
    done.map_err(|error| P::failure(&error))?;
    if deed.op == Op::Poison { Err(Failure::LeftOff) } else { Ok(()) }
}

/// What a statement that was sent has come to.
pub(super) fn sent<P: Peer>(told: &Result<(), P::Error>) -> End {
    let progress = Progress::default();
    progress.sent();
    told.as_ref().map_or_else(|error| end_of(&progress, &P::failure(error)), |()| End::Acknowledged)
}

/// What was told of each id: a part that was rolled back by itself is not stored with the rest.
fn parts(deed: &Deed, whole: End, part: Option<End>) -> Vec<End> {
    match deed.op {
        // An earlier try may have stored the part all the same.
        Op::Savepoint if whole == End::Unknown => vec![whole, End::Unknown],
        Op::Savepoint => vec![whole, part.unwrap_or(whole)],
        _ => vec![whole],
    }
}
