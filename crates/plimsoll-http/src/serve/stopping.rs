//! How an answer without an end learns that the server stops.

use crate::serve::seats::Seats;
use std::fmt;
use std::sync::Arc;

/// In the extensions of each request that [`serve()`](crate::serve()) hands on. An answer that is a stream without an end looks
/// here from time to time and ends, because the stop waits for it otherwise, until the grace is over.
#[derive(Clone)]
pub struct Stopping(Arc<Seats>);

impl Stopping {
    pub(super) fn new(seats: &Arc<Seats>) -> Self {
        Stopping(Arc::clone(seats))
    }

    /// Whether the stop has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.stopping().is_some()
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopping").field("has_begun", &self.has_begun()).finish()
    }
}
