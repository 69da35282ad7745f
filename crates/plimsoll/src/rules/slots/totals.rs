//! What happened since the pool began, in numbers.

use super::closing::Closings;
use crate::rules::given_up::GivenUps;
use std::time::Duration;

/// The waits that ended with a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) count: u64,
    /// In nanoseconds, as is the longest.
    total: u64,
    longest: u64,
}

impl Waits {
    pub(crate) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(nanos);
        self.longest = self.longest.max(nanos);
    }

    pub(crate) fn total(self) -> Duration {
        Duration::from_nanos(self.total)
    }

    pub(crate) fn longest(self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

/// All else that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Connections that were granted and never reached their caller, or were turned down.
    pub(crate) turned_down: u64,
    pub(crate) failed: u64,
    /// Callers that got no connection, by reason, but for those that were refused at once or have left.
    pub(crate) given_up: GivenUps,
    pub(crate) opened: u64,
    pub(crate) closed: Closings,
    pub(crate) connect_failures: u64,
    pub(crate) capped: u64,
    pub(crate) held_back: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_and_summed_and_the_longest_is_kept() {
        let mut waits = Waits::default();
        [3, 9, 5].into_iter().for_each(|nanos| waits.add(nanos));
        let nanos = Duration::from_nanos;
        assert_eq!((waits.count, waits.total(), waits.longest()), (3, nanos(17), nanos(9)));
    }
}
