//! How many of the primary's connections reads may hold that no replica could serve.
//!
//! When a replica is lost, its reads have to go somewhere, and the primary is sized for its own work. If they all went
//! there, the loss of a replica would become an outage of everything. So they share a part of the primary's connections.
//! A read that finds the part in use waits for a moment, since most reads are short, and is then refused and told so.

use super::reads::ReadSlot;
use crate::deadline::Deadline;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// The longest that a read waits for its part of the primary.
const WAIT: Duration = Duration::from_secs(1);

/// The part of the primary's connections for reads that no replica could serve.
pub(crate) struct Fallback {
    pub(crate) cap: usize,
    places: Arc<Semaphore>,
    entered: AtomicU64,
    refused: AtomicU64,
    /// Refused, and not told of by an event yet.
    untold: AtomicU64,
}

impl Fallback {
    pub(crate) fn of(cap: usize) -> Self {
        Fallback {
            cap,
            places: Arc::new(Semaphore::new(cap.min(Semaphore::MAX_PERMITS))),
            entered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// Waits for a place, for a moment, by the deadline and by the caller's own limit. `None` if there is none.
    ///
    /// # Cancel safety
    /// Dropped, no place is taken.
    pub(crate) async fn enter(
        &self,
        deadline: Option<Deadline>,
        limit: Option<Duration>,
    ) -> Option<ReadSlot> {
        let remaining = deadline.map(|deadline| deadline.remaining(Instant::now()));
        let wait = [Some(WAIT), remaining, limit].into_iter().flatten().min().unwrap_or(WAIT);
        let places = Arc::clone(&self.places);
        let place = match self.cap {
            0 => None,
            _ => timeout(wait, places.acquire_owned()).await.ok().and_then(Result::ok),
        };
        match place {
            Some(place) => {
                self.entered.fetch_add(1, Ordering::Relaxed);
                Some(ReadSlot::Fallback { _place: place })
            }
            None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.untold.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// How many hold a place now.
    pub(crate) fn inside(&self) -> usize {
        self.cap.saturating_sub(self.places.available_permits())
    }

    /// How many got a place, and how many were refused.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.entered.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// How many were refused since this was last asked.
    pub(crate) fn take_untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }
}
