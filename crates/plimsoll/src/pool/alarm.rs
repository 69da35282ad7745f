//! Until when the pool's clock sleeps, known without the pool's lock.
//!
//! Every limit of a pool (on waiters, leases, statements, returns) is watched by its one clock. A task that sets a
//! limit tells here when it ends; the clock is woken only if that is earlier than all it was told before. Most limits
//! are of one length, so nearly none is: setting one costs a single atomic minimum.

use crate::moment::Moment;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Shared by the pool, its clock, and the statements that run on its connections.
pub(crate) struct Alarm {
    /// When the clock looks next, as a number.
    due: AtomicU64,
    wake: Notify,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Alarm { due: AtomicU64::new(Moment::NEVER.number()), wake: Notify::new() }
    }

    /// Makes sure that the clock looks by this time.
    ///
    /// What it is to look at must have been stored before: the clock disarms first and looks afterwards, so either it
    /// sees what was stored, or this sees it disarmed.
    pub(crate) fn arm(&self, at: Moment) {
        let at = at.number();
        // Read first, because nearly always that is all, and a write would take the cache line from all other CPUs.
        if at < self.due.load(Ordering::SeqCst) && at < self.due.fetch_min(at, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }

    /// Has the clock look at once.
    pub(crate) fn ring(&self) {
        self.wake.notify_one();
    }

    /// The clock is about to look at everything.
    pub(crate) fn disarm(&self) {
        self.due.store(Moment::NEVER.number(), Ordering::SeqCst);
    }

    /// The clock has looked, and sleeps until this time; or earlier, if a task has armed it meanwhile.
    pub(crate) fn rest_until(&self, at: Option<Moment>) -> Option<Moment> {
        let at = at.unwrap_or(Moment::NEVER).number();
        let at = Moment::numbered(self.due.fetch_min(at, Ordering::SeqCst).min(at));
        (at != Moment::NEVER).then_some(at)
    }

    /// Waits until the clock has to look earlier than it knew.
    ///
    /// # Cancel safety
    /// Only waits.
    pub(crate) async fn rung(&self) {
        self.wake.notified().await;
    }
}
