//! The bell: how a statement learns from the pool's clock that its time is up.
//!
//! One statement of a connection listens at a time. It says until when (`due`) and leaves its waker; the pool's clock
//! looks at `due` when it passes by, and wakes the statement. So a statement needs no timer of its own.
//!
//! Nothing but the wake-up is handed over: a statement that is woken reads the clock itself. So a bell that comes too late
//! for its statement does no harm to the next one. A bell that is lost would let a statement run past its limit; the model
//! checker tries every interleaving (`tests/loom_nothing_parked_is_forgotten.rs`).

use super::Link;
use crate::sync::{AtomicU64, AtomicWaker};
use std::sync::atomic::Ordering;
use std::task::Waker;

/// The value of `due` while no statement listens; it is later than every moment.
const NOT_LISTENED: u64 = u64::MAX;

/// What a listening statement and the pool's clock share.
pub(super) struct Bell {
    /// When the statement that listens must end, as the number of a moment.
    due: AtomicU64,
    listener: AtomicWaker,
}

impl Bell {
    pub(super) fn new() -> Self {
        Bell { due: AtomicU64::new(NOT_LISTENED), listener: AtomicWaker::new() }
    }

    /// Begins to listen until `due`; false if another statement listens already.
    #[inline]
    pub(super) fn listen(&self, due: u64) -> bool {
        self.due.compare_exchange(NOT_LISTENED, due, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Whether a statement listens.
    #[inline]
    pub(super) fn is_listened(&self) -> bool {
        self.due.load(Ordering::Relaxed) != NOT_LISTENED
    }

    /// Ends the listening.
    #[inline]
    pub(super) fn stop_listening(&self) {
        self.due.store(NOT_LISTENED, Ordering::Release);
    }

    /// Has this waker called when the bell rings. The caller reads the clock afterwards: the bell may have rung before.
    #[inline]
    pub(super) fn wake_when_rung(&self, waker: &Waker) {
        self.listener.register(waker);
    }

    /// Rings if the listening must end by `now`. Returns when to come again.
    pub(super) fn ring(&self, now: u64) -> u64 {
        let due = self.due.load(Ordering::SeqCst);
        if due > now {
            return due;
        }
        self.listener.wake();
        NOT_LISTENED
    }
}

impl Link {
    /// Begins to listen for an answer until `due`; false if another statement listens already.
    pub(crate) fn listen(&self, due: u64) -> bool {
        self.borrower.bell.listen(due)
    }

    /// Ends the listening.
    pub(crate) fn stop_listening(&self) {
        self.borrower.bell.stop_listening();
    }

    /// Has this waker called when the listening must end. The caller reads the clock afterwards.
    pub(crate) fn wake_when_due(&self, waker: &Waker) {
        self.borrower.bell.wake_when_rung(waker);
    }

    /// Rings if the listening must end by now. Returns when to come again.
    pub(crate) fn ring(&self, now: u64) -> u64 {
        self.borrower.bell.ring(now)
    }
}
