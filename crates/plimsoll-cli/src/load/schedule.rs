//! When each call is due, and which target it goes to. Both are decided before the first call: no answer moves them.
//!
//! The world outside a service does not wait with its next request until the last one was answered. A load that does (so many
//! clients, each with one request at a time) sends one request into a stall of a second and reports one slow answer, where two
//! hundred were due: that is coordinated omission.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How calls follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Arrivals {
    /// One after each equal part of a second
    #[default]
    Constant,
    /// As independent callers come: at random, with this mean rate (--seed makes it the same again)
    Poisson,
}

/// The times of one round, from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    rate: f64,
    arrivals: Arrivals,
    random: fastrand::Rng,
    /// Calls so far.
    count: u64,
    /// Where the last one was, in seconds.
    last: f64,
    length: f64,
}

impl Schedule {
    /// `rate` calls a second for so long. The same seed gives the same times.
    pub(super) fn new(rate: f64, arrivals: Arrivals, seed: u64, length: Duration) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Schedule { rate, arrivals, random, count: 0, last: 0.0, length: length.as_secs_f64() }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = match self.arrivals {
            // Counted from the beginning, so that no error of rounding grows.
            Arrivals::Constant => self.count as f64 / self.rate,
            Arrivals::Poisson => self.last - (1.0 - self.random.f64()).ln() / self.rate,
        };
        self.count += 1;
        self.last = at;
        if at < self.length { Duration::try_from_secs_f64(at).ok() } else { None }
    }
}

/// Whose turn it is: each target as often as its weight says, and as evenly as that can be.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    weights: Vec<i64>,
    owed: Vec<i64>,
}

impl Turns {
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<i64> = weights.into_iter().map(i64::from).collect();
        Turns { owed: vec![0; weights.len()], weights }
    }

    /// The number of the next target.
    pub(super) fn next(&mut self) -> usize {
        let total: i64 = self.weights.iter().sum();
        for (owed, weight) in self.owed.iter_mut().zip(&self.weights) {
            *owed += weight;
        }
        // The first of those to which most is owed.
        let turn =
            self.owed.iter().enumerate().max_by_key(|(place, owed)| (**owed, std::cmp::Reverse(*place)));
        let turn = turn.map_or(0, |(place, _)| place);
        if let Some(owed) = self.owed.get_mut(turn) {
            *owed -= total;
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(arrivals: Arrivals, rate: f64, seed: u64, seconds: u64) -> Vec<Duration> {
        Schedule::new(rate, arrivals, seed, Duration::from_secs(seconds)).collect()
    }

    #[test]
    fn a_constant_rate_is_that_rate() {
        let times = times(Arrivals::Constant, 3.0, 0, 2);
        let expected = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 4.0 / 3.0, 5.0 / 3.0].map(Duration::from_secs_f64);
        assert_eq!(times, expected);
    }

    #[test]
    fn random_arrivals_have_the_rate_on_average_and_gaps_of_every_size() {
        let times = times(Arrivals::Poisson, 100.0, 7, 100);
        assert!((9_500..10_500).contains(&times.len()), "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 100.0).collect();
        // Of an exponential distribution e^-1 are above the mean, and e^-3 above three times the mean.
        let above = |bound: f64| gaps.iter().filter(|gap| **gap > bound).count() as f64 / gaps.len() as f64;
        assert!((above(1.0) - 0.368).abs() < 0.03 && (above(3.0) - 0.05).abs() < 0.015);
    }

    #[test]
    fn turns_are_as_even_as_the_weights_let_them_be() {
        let mut turns = Turns::new([3, 1, 0]);
        let taken: Vec<usize> = (0..8).map(|_| turns.next()).collect();
        assert_eq!(taken, [0, 0, 1, 0, 0, 0, 1, 0]);
    }

    proptest! {
        #[test]
        fn times_never_go_back_lie_in_the_round_and_come_again_with_their_seed(
            rate in 0.1_f64..500.0, seed: u64, seconds in 1_u64..20, is_random: bool
        ) {
            let arrivals = if is_random { Arrivals::Poisson } else { Arrivals::Constant };
            let first = times(arrivals, rate, seed, seconds);
            prop_assert!(first.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(first.iter().all(|at| *at < Duration::from_secs(seconds)));
            prop_assert_eq!(first, times(arrivals, rate, seed, seconds));
        }

        #[test]
        fn each_target_gets_its_share(weights in prop::collection::vec(0_u32..20, 1..6)) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let mut turns = Turns::new(weights.iter().copied());
            let mut counts = vec![0_u32; weights.len()];
            for _ in 0..total {
                counts[turns.next()] += 1;
            }
            prop_assert_eq!(counts, weights);
        }
    }
}
