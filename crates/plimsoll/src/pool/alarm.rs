//! Until when the pool's clock sleeps, known without the pool's lock.
//!
//! Every limit of a pool (waiters, leases, statements, returns) is watched by its one clock. Whoever sets a limit
//! tells here when it ends; only if that is earlier than anything told before is the clock woken. Most limits are of
//! one length, so nearly none is: setting one costs a single atomic minimum.

use crate::moment::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Shared by the pool, its clock, and whoever runs statements on its connections.
pub(crate) struct Alarm {
    armed: AtomicU64,
    pub(crate) alarm: Arc<Notify>,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Alarm { armed: AtomicU64::new(Moment::NEVER.number()), alarm: Arc::new(Notify::new()) }
    }

    /// Makes sure that the clock looks by this time.
    ///
    /// What is to be looked at must have been stored before: the clock disarms first and looks afterwards, so either
    /// it sees that, or this sees it disarmed.
    pub(crate) fn arm(&self, at: Moment) {
        let at = at.number();
        // Looked at first, because nearly always that is all, and a write would take the line from everybody else.
        if at < self.armed.load(Ordering::SeqCst) && at < self.armed.fetch_min(at, Ordering::SeqCst) {
            self.alarm.notify_one();
        }
    }

    /// The clock is about to look at everything.
    pub(crate) fn disarm(&self) {
        self.armed.store(Moment::NEVER.number(), Ordering::SeqCst);
    }

    /// The clock has looked, and sleeps until this time; or earlier, if somebody has armed it meanwhile.
    pub(crate) fn rest_until(&self, at: Option<Moment>) -> Option<Moment> {
        let at = at.unwrap_or(Moment::NEVER).number();
        let at = Moment::numbered(self.armed.fetch_min(at, Ordering::SeqCst).min(at));
        (at != Moment::NEVER).then_some(at)
    }
}
