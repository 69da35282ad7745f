//! When readings are made: so many a second, whatever becomes of them. Pure: the time is an argument.
//!
//! A reading has a moment for which it is meant. One that is made late, because this program or its machine was busy, keeps that
//! moment, and what it took is counted from there: otherwise a service that stands still would be measured less often while it
//! does, and look better than it is.

use std::time::{Duration, Instant};

/// The moments of one rate.
#[derive(Clone, Debug)]
pub struct Pace {
    from: Instant,
    rate: f64,
    /// So many moments were given since `from`.
    given: u64,
}

impl Pace {
    /// The first moment is `from`; `rate` is in readings a second, and more than 0.
    #[must_use]
    pub fn new(from: Instant, rate: f64) -> Self {
        Pace { from, rate, given: 0 }
    }

    /// The moment of the next reading.
    #[must_use]
    pub fn next(&self) -> Instant {
        // So many readings lie far within what an f64 counts exactly.
        #[allow(clippy::cast_precision_loss, reason = "2^53 readings are more than a century of any rate")]
        let after = Duration::try_from_secs_f64(self.given as f64 / self.rate).unwrap_or(Duration::MAX);
        self.from.checked_add(after).unwrap_or(self.from)
    }

    /// The moment of the next reading if it has come; what follows is the one after it.
    pub fn due(&mut self, now: Instant) -> Option<Instant> {
        let next = self.next();
        (next <= now).then(|| {
            self.given += 1;
            next
        })
    }

    /// Goes on at another rate: the next moment is one interval of that from now.
    pub fn change(&mut self, now: Instant, rate: f64) {
        if (rate - self.rate).abs() > f64::EPSILON {
            *self = Pace { from: now, rate, given: 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_slept_through_is_made_up_for_with_its_own_moments() {
        let began = Instant::now();
        let mut pace = Pace::new(began, 10.0);
        let late = began + Duration::from_millis(450);
        let moments: Vec<_> =
            std::iter::from_fn(|| pace.due(late)).map(|at| (at - began).as_millis()).collect();
        assert_eq!(moments, [0, 100, 200, 300, 400]);
        assert_eq!(pace.next() - began, Duration::from_millis(500));
    }

    #[test]
    fn another_rate_holds_from_now_on() {
        let began = Instant::now();
        let mut pace = Pace::new(began, 0.001);
        assert_eq!(pace.due(began), Some(began));
        let now = began + Duration::from_secs(5);
        pace.change(now, 10.0);
        assert_eq!(pace.due(now), None);
        assert_eq!(pace.due(now + Duration::from_millis(100)), Some(now + Duration::from_millis(100)));
        // The same again changes nothing.
        let next = pace.next();
        pace.change(now + Duration::from_millis(150), 10.0);
        assert_eq!(pace.next(), next);
    }

    proptest! {
        #[test]
        fn however_it_is_asked_it_gives_so_many_in_so_long(
            rate in 0.1f64..10_000.0,
            steps in proptest::collection::vec(0u64..200_000, 1..40),
        ) {
            let began = Instant::now();
            let (mut pace, mut now, mut count, mut last) = (Pace::new(began, rate), began, 0u64, None);
            for step in steps {
                now += Duration::from_micros(step);
                while let Some(at) = pace.due(now) {
                    prop_assert!(at <= now && last.is_none_or(|last| last <= at));
                    last = Some(at);
                    count += 1;
                }
            }
            let expected = (now - began).as_secs_f64() * rate;
            prop_assert!((count as f64 - expected).abs() <= 1.001, "{count} of {expected}");
        }
    }
}
