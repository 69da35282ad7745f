//! Until when the pool's clock sleeps, known without the pool's lock.
//!
//! Every limit of a pool (waiters, leases, statements, returns) is watched by its one clock. Whoever sets a limit
//! tells here when it ends; only if that is earlier than anything told before is the clock woken. Most limits are of
//! one length, so nearly none is: setting one costs a single atomic minimum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Shared by the pool, its clock, and whoever runs statements on its connections.
pub(crate) struct Watchdog {
    epoch: Instant,
    armed: AtomicU64,
    pub(crate) alarm: Arc<Notify>,
}

/// No instant at all.
pub(crate) const NEVER: u64 = u64::MAX;

impl Watchdog {
    pub(crate) fn new() -> Self {
        Watchdog { epoch: Instant::now(), armed: AtomicU64::new(NEVER), alarm: Arc::new(Notify::new()) }
    }

    /// An instant as a number that fits an atomic.
    pub(crate) fn number(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER - 1)
    }

    /// The instant behind a number.
    pub(crate) fn instant(&self, number: u64) -> Option<Instant> {
        (number != NEVER).then(|| self.epoch.checked_add(Duration::from_nanos(number))).flatten()
    }

    /// Makes sure that the clock looks by this time.
    ///
    /// What is to be looked at must have been stored before: the clock disarms first and looks afterwards, so either
    /// it sees that, or this sees it disarmed.
    pub(crate) fn arm(&self, at: Instant) {
        let at = self.number(at);
        // Looked at first, because nearly always that is all, and a write would take the line from everybody else.
        if at < self.armed.load(Ordering::SeqCst) && at < self.armed.fetch_min(at, Ordering::SeqCst) {
            self.alarm.notify_one();
        }
    }

    /// The clock is about to look at everything.
    pub(crate) fn disarm(&self) {
        self.armed.store(NEVER, Ordering::SeqCst);
    }

    /// The clock has looked, and sleeps until this time; or earlier, if somebody has armed it meanwhile.
    pub(crate) fn rest_until(&self, at: Option<Instant>) -> Option<Instant> {
        let at = at.map_or(NEVER, |at| self.number(at));
        self.instant(self.armed.fetch_min(at, Ordering::SeqCst).min(at))
    }
}
