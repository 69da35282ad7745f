//! One budget for the whole stop, and how it is divided.
//!
//! Requests have until the grace. What is left to the hard stop belongs to what the program does last, such as writing
//! what it has taken, and then to the pools; of it the pools keep what they need for stopping what still runs on the
//! server, however long the program's own last work takes.

use std::time::Duration;

/// The times of one stop, since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StopBudget {
    /// By then requests have ended or are cut off.
    pub(super) grace: Duration,
    /// By then all is over.
    pub(super) hard: Duration,
    /// The longest that a pool needs for stopping what runs on its server.
    pub(super) pools: Duration,
}

impl StopBudget {
    /// How long requests may still take.
    pub(super) fn for_requests(&self, passed: Duration) -> Duration {
        self.grace.min(self.hard).saturating_sub(passed)
    }

    /// How long the program's own last work may take.
    pub(super) fn for_last_work(&self, passed: Duration) -> Duration {
        let left = self.for_all(passed);
        left.saturating_sub(self.pools.min(left / 2))
    }

    /// How long everything may still take, the pools included.
    pub(super) fn for_all(&self, passed: Duration) -> Duration {
        self.hard.saturating_sub(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn what_requests_leave_goes_to_the_rest() {
        let budget = StopBudget { grace: secs(20), hard: secs(30), pools: secs(5) };
        assert_eq!(budget.for_requests(secs(0)), secs(20));
        assert_eq!(budget.for_last_work(secs(2)), secs(23));
        assert_eq!(budget.for_last_work(secs(20)), secs(5));
        assert_eq!(budget.for_all(secs(25)), secs(5));
        assert_eq!(budget.for_last_work(secs(28)), secs(1));
        assert_eq!(budget.for_all(secs(31)), secs(0));
    }

    proptest! {
        #[test]
        fn no_step_outlasts_the_hard_stop_and_the_pools_are_never_left_without_time(
            grace in 0_u64..60, hard in 1_u64..60, pools in 0_u64..60, passed in 0_u64..90,
        ) {
            let budget = StopBudget { grace: secs(grace), hard: secs(hard), pools: secs(pools) };
            let passed = secs(passed);
            let end = secs(hard).max(passed);
            prop_assert!(passed + budget.for_requests(passed) <= end);
            prop_assert!(passed + budget.for_all(passed) <= end);
            let after = passed + budget.for_last_work(passed);
            prop_assert!(after <= end);
            prop_assert!(budget.for_all(after) >= secs(pools).min(budget.for_all(passed) / 2));
        }
    }
}
