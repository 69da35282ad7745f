//! How many there were in a second, from a count that only grows. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The rate is that of so long a time.
const WINDOW: Duration = Duration::from_secs(3);

/// The counts of the last seconds.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Takes a count, and gives the rate up to it: none at the first.
    pub(super) fn at(&mut self, now: Instant, count: u64) -> f64 {
        self.0.push_back((now, count));
        // One that is older than the window stays, so that the rate is that of a whole window.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
            self.0.pop_front();
        }
        let Some((at, first)) = self.0.front() else { return 0.0 };
        let span = now.saturating_duration_since(*at).as_secs_f64();
        let grown = u32::try_from(count.saturating_sub(*first)).unwrap_or(u32::MAX);
        if span > 0.0 { f64::from(grown) / span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_last_three_seconds() {
        let (mut rate, began) = (Rate::default(), Instant::now());
        let mut at = |tenths: u32, count| rate.at(began + Duration::from_millis(100) * tenths, count);
        assert_eq!(at(0, 100), 0.0);
        assert_eq!(at(10, 120), 20.0);
        assert_eq!(at(20, 140), 20.0);
        assert_eq!(at(30, 160), 20.0);
        for tenths in [35, 40, 45, 50, 55, 60] {
            at(tenths, 160);
        }
        assert_eq!(at(65, 160), 0.0, "nothing came for three seconds");
        assert!(rate.0.len() < 12);
    }
}
