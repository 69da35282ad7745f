//! Parking: a connection that was given back a moment too early waits here for the end of its driver's poll.
//!
//! Two sides meet. The returning task leaves the connection and then looks whether it is clean already. The driver's
//! task ends its poll and then looks whether something is parked. Each could look just before the other acts, so the
//! returning task has the driver polled once more, and that poll sees the connection.
//!
//! A driver that has ended is polled no more. So the end of a connection takes what is parked under the lock, without
//! looking at the flag: either it finds the connection, or the returning task, which takes the lock later, sees that the
//! link is closed. The model checker tries every interleaving (`tests/loom_nothing_parked_is_forgotten.rs`).

use super::Link;
use super::ReturnState;
use crate::sync::{AtomicBool, Mutex};
use std::sync::atomic::Ordering;

/// What is called, once, when the connection has come to rest.
pub(super) type Parked = Box<dyn FnOnce(ReturnState) + Send>;

/// The place of one parked connection.
pub(super) struct Parking {
    is_taken: AtomicBool,
    parked: Mutex<Option<Parked>>,
}

impl Parking {
    pub(super) fn new() -> Self {
        Parking { is_taken: AtomicBool::new(false), parked: Mutex::new(None) }
    }

    /// Leaves a connection here. Afterwards the caller looks itself whether it is clean, and has the driver polled.
    pub(super) fn leave(&self, then: Parked) {
        *self.parked.lock() = Some(then);
        self.is_taken.store(true, Ordering::SeqCst);
    }

    /// Whether something is parked, as far as is known without the lock. Asked at the end of every poll.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::SeqCst)
    }

    /// Calls what is parked with this state, if something is.
    pub(super) fn bring_home(&self, state: ReturnState) {
        let parked = self.parked.lock().take();
        if let Some(then) = parked {
            self.is_taken.store(false, Ordering::SeqCst);
            then(state);
        }
    }
}

impl Link {
    /// Leaves `then` to be called, once, when the connection has come to rest or has ended.
    pub(crate) fn park(&self, then: Parked) {
        self.parking.leave(then);
        // The driver may have come to rest just before it could see that.
        self.bring_home();
        if self.parking.is_taken() {
            self.driver.wake();
        }
    }

    pub(super) fn bring_home(&self) {
        if let Some(state) = self.return_state() {
            self.parking.bring_home(state);
        }
    }
}
