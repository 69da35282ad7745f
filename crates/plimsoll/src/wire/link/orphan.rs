//! An orphaned COMMIT: its caller stopped waiting for it, so the pool lets it finish and reports its outcome.

use super::Link;
use crate::wire::marks::Mark;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The work whose COMMIT is orphaned. The flag spares every return the lock.
pub(super) struct OrphanedCommit {
    is_set: AtomicBool,
    /// The work, and the counts when its COMMIT was sent.
    commit: Mutex<Option<(String, Mark)>>,
}

impl OrphanedCommit {
    pub(super) fn new() -> Self {
        OrphanedCommit { is_set: AtomicBool::new(false), commit: Mutex::new(None) }
    }

    pub(super) fn set(&self, work: String, sent: Mark) {
        *self.commit.lock() = Some((work, sent));
        self.is_set.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// The work's name and the counts when its COMMIT was sent, once.
    pub(super) fn take(&self) -> Option<(String, Mark)> {
        self.is_set.store(false, Ordering::Release);
        self.commit.lock().take()
    }
}

impl Link {
    /// A caller stopped waiting for the COMMIT of this work: it is let finish, and its outcome told.
    pub(crate) fn orphan_commit(&self, work: String, sent: Mark) {
        self.orphan.set(work, sent);
    }

    /// Whether there is an orphaned COMMIT of which to tell.
    pub(crate) fn has_orphan(&self) -> bool {
        self.orphan.is_set()
    }

    /// The work whose COMMIT is orphaned and the counts when it was sent, once.
    pub(crate) fn take_orphan(&self) -> Option<(String, Mark)> {
        self.orphan.take()
    }
}
