//! What has passed on a connection that bears on transactions, counted, so that two looks tell what passed in between.

use super::session_state::SessionState;
use crate::sql::nature::Nature;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts of what bears on transactions among what has passed the wire. A task that reads them twice knows what passed in
/// between.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Texts that may be done in part: they are not known to be done whole or not at all.
    pub(super) unclear: AtomicU32,
    /// Texts that can end a transaction.
    pub(super) endings: AtomicU32,
    /// Transactions that have ended, as command tags say.
    pub(super) ended: AtomicU32,
    /// Commits whose wait for a standby was given up, as the server has warned.
    pub(super) unreplicated: AtomicU32,
    /// Statements that have changed rows, as command tags say.
    pub(super) writes: AtomicU32,
}

impl Marks {
    /// Counts one more. Only the driver's task writes, so no locked addition is needed.
    pub(super) fn count(mark: &AtomicU32) {
        mark.store(mark.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// The counts at one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    unclear: u32,
    endings: u32,
    ended: u32,
    unreplicated: u32,
}

impl SessionState {
    /// The counts now, to be compared with later.
    pub(crate) fn mark(&self) -> Mark {
        let load = |mark: &AtomicU32| mark.load(Ordering::Acquire);
        let Marks { unclear, endings, ended, unreplicated, writes: _ } = &self.marks;
        Mark {
            unclear: load(unclear),
            endings: load(endings),
            ended: load(ended),
            unreplicated: load(unreplicated),
        }
    }

    /// Statements that have changed rows since the connection began, to be compared with later.
    pub(crate) fn rows_changed(&self) -> u32 {
        self.marks.writes.load(Ordering::Acquire)
    }

    /// The nature of what has been sent since then.
    pub(crate) fn nature_since(&self, then: Mark) -> Nature {
        let now = self.mark();
        let mut nature = Nature::ATOMIC;
        if now.unclear != then.unclear {
            nature |= Nature::UNCLEAR;
        }
        if now.endings != then.endings {
            nature |= Nature::ENDS;
        }
        nature
    }

    /// Whether a transaction has ended since then.
    pub(crate) fn has_ended_since(&self, then: Mark) -> bool {
        self.mark().ended != then.ended
    }

    /// Whether a commit since then did not wait for its standby, so that perhaps no standby has it.
    #[inline]
    pub(crate) fn is_unreplicated_since(&self, then: Mark) -> bool {
        self.marks.unreplicated.load(Ordering::Acquire) != then.unreplicated
    }
}
