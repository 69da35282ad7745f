//! The bell: how a statement learns from the pool's clock that its time is up.
//!
//! One statement of a connection listens at a time. It says until when (`due`) and leaves its waker; the pool's clock
//! looks at `due` when it passes by, sets the flag and wakes the statement. So a statement needs no timer of its own.
//!
//! A bell may come too late for its statement and reach the next one: so a statement that hears it reads the clock before it
//! stops anything. A bell that is lost would let a statement run past its limit, so that must not happen; the model checker
//! tries every interleaving (`tests/loom_nothing_parked_is_forgotten.rs`).

use super::Link;
use crate::sync::{AtomicBool, AtomicU64, AtomicWaker};
use std::sync::atomic::Ordering;
use std::task::Waker;

/// The value of `due` while no statement listens; it is later than every moment.
const NOT_LISTENED: u64 = u64::MAX;

/// What a listening statement and the pool's clock share.
pub(super) struct Bell {
    /// When the statement that listens must end, as the number of a moment.
    due: AtomicU64,
    listener: AtomicWaker,
    has_rung: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> Self {
        Bell {
            due: AtomicU64::new(NOT_LISTENED),
            listener: AtomicWaker::new(),
            has_rung: AtomicBool::new(false),
        }
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
        // The flag first: cleared after `due`, it could silence the next listener's bell.
        self.has_rung.store(false, Ordering::Release);
        self.due.store(NOT_LISTENED, Ordering::Release);
    }

    /// Has this waker called when the bell rings. To be called before [`Bell::has_rung`] is asked.
    #[inline]
    pub(super) fn wake_when_rung(&self, waker: &Waker) {
        self.listener.register(waker);
    }

    /// Whether the bell has rung. It may have rung for the previous listener.
    #[inline]
    pub(super) fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Acquire)
    }

    /// Rings if the listening must end by `now`. Returns when to come again.
    pub(super) fn ring(&self, now: u64) -> u64 {
        let due = self.due.load(Ordering::SeqCst);
        if due > now {
            return due;
        }
        // A swap where a store would do: the model checker orders the stores of several threads less strictly than the
        // language does, and would report a bell as lost that cannot be. This is not a hot path.
        self.has_rung.swap(true, Ordering::AcqRel);
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

    /// Has this waker called when the listening must end.
    pub(crate) fn wake_when_due(&self, waker: &Waker) {
        self.borrower.bell.wake_when_rung(waker);
    }

    /// Whether the listening must end, unless the bell was that of the previous statement.
    pub(crate) fn is_due(&self) -> bool {
        self.borrower.bell.has_rung()
    }

    /// Rings if the listening must end by now. Returns when to come again.
    pub(crate) fn ring(&self, now: u64) -> u64 {
        self.borrower.bell.ring(now)
    }
}
