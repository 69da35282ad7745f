//! The link: what everything but the borrower knows of one connection, and does with it.
//!
//! A borrower holds the client. The driver's task, the pool, its clock and a cancel that is under way hold the [`Link`].
//! It answers the question that decides about every return: *is anything still going on?* Three facts together say no:
//! the driver has no request left to send, no request is unanswered, and the session is idle with nothing left in it.
//!
//! What libraries do through the client itself is not counted. Such a connection, when it is given back, waits for one
//! more poll of its driver.
//!
//! A return may come a moment too early: the driver has not been polled yet, or the answer to a Close is on its way.
//! That costs neither a task nor a cancel. The connection is *parked* on its link, and the driver brings it home at the
//! end of a poll that finds it clean.
//!
//! | file | its one job |
//! |---|---|
//! | [`activity`] | whether the driver has anything left to do, and who waits for that |
//! | [`bell`] | how a statement learns from the pool's clock that its time is up |
//! | [`parking`] | brings a returned connection home once its driver has come to rest |
//! | [`ending`] | closed, not to be lent again, and why |
//! | [`hearing`] | who hears the notifications that come |
//! | [`orphan`] | a COMMIT whose caller stopped waiting for it |
//! | [`lease`] | what the borrower does besides single statements |
//!
//! What was given up is in [`given_up`](super::given_up), how it is stopped in [`stop`](super::stop), and copies are in
//! [`copying`](super::copying).

mod activity;
mod bell;
mod ending;
mod hearing;
mod lease;
#[cfg(plimsoll_loom)]
pub mod model;
mod orphan;
mod parking;

pub use activity::Activity;
pub(super) use activity::{Progress, Watchers};
pub(crate) use ending::EndReason;
pub(super) use lease::LeaseUse;
pub(crate) use lease::Streaming;

use super::cancel::Target;
use super::given_up::GivenUp;
use super::session_state::SessionState;
use super::stop::Cancels;
use activity::{DriverTask, Handed};
use bell::Bell;
use ending::Ending;
use hearing::Hearing;
use orphan::OrphanedCommit;
use parking::Parking;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tokio::sync::Semaphore;

/// How a parked connection came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnState {
    /// Nothing goes on and nothing is left: lend it again.
    Clean,
    /// Something runs, or is left in the session: stop and reset it first.
    Dirty,
    /// The connection is gone.
    Closed,
}

/// What the borrower's task writes with every statement, on a cache line of its own. What the driver's task writes with
/// every statement is on another, in [`SessionState`]: the two tasks run on any core, and each has to fetch what the
/// other has written.
#[repr(align(64))]
struct BorrowerSide {
    handed: Handed,
    bell: Bell,
    /// Whether the session was idle when the borrower was last told how a request ended.
    was_told_idle: AtomicBool,
    /// Stands for the text of the statement that began last; 0 for none.
    statement: AtomicU64,
}

/// One connection, as everything but its borrower sees it.
pub(crate) struct Link {
    borrower: BorrowerSide,
    pub(crate) state: Arc<SessionState>,
    pub(super) lease: LeaseUse,
    driver: DriverTask,
    pub(super) watchers: Watchers,
    parking: Parking,
    ending: Ending,
    orphan: OrphanedCommit,
    hearing: Hearing,
    pub(super) given_up: GivenUp,
    pub(super) cancels: Cancels,
    /// Behind a transaction pooler: one transaction of one statement at a time, from BEGIN to COMMIT.
    pub(crate) flights: tokio::sync::Mutex<()>,
}

impl Link {
    pub(crate) fn new(state: Arc<SessionState>, target: Target, permits: Arc<Semaphore>) -> Self {
        Link {
            borrower: BorrowerSide {
                handed: Handed::new(),
                bell: Bell::new(),
                was_told_idle: AtomicBool::new(true),
                statement: AtomicU64::new(0),
            },
            state,
            lease: LeaseUse::new(),
            driver: DriverTask::new(),
            watchers: Watchers::new(),
            parking: Parking::new(),
            ending: Ending::new(),
            orphan: OrphanedCommit::new(),
            hearing: Hearing::default(),
            given_up: GivenUp::new(),
            cancels: Cancels::new(target, permits),
            flights: tokio::sync::Mutex::new(()),
        }
    }

    /// Nothing to send, nothing owed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_drained() && self.state.is_settled()
    }

    /// How the connection would come to rest now; `None` while the driver will bring news by itself.
    pub(crate) fn return_state(&self) -> Option<ReturnState> {
        if self.is_closed() {
            return Some(ReturnState::Closed);
        }
        if !self.is_drained() || self.state.is_blocked() {
            return None;
        }
        // An orphaned COMMIT is let finish first, whatever else is known: only then can its outcome be told.
        if self.has_orphan() && self.state.owed() > 0 && !self.state.is_broken() {
            return None;
        }
        if self.state.owed_work() > 0 || self.is_abandoned() || self.state.is_broken() {
            return Some(ReturnState::Dirty);
        }
        if self.state.owed() > 0 {
            return None;
        }
        let is_clean =
            self.state.status().is_idle() && self.state.residue().is_none() && !self.owes_barrier();
        Some(if is_clean { ReturnState::Clean } else { ReturnState::Dirty })
    }
}
