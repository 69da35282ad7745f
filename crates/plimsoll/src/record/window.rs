//! A window over the latest samples: it forgets, so that what was bad an hour ago is not bad for ever.

use std::collections::VecDeque;
use std::time::Duration;

/// The latest times, each with a mark that says whether it is one of those that are counted apart.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    samples: VecDeque<(u64, bool)>,
    size: usize,
    sum: u128,
    marked: usize,
}

/// What a window shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    /// How many of them are marked.
    pub(crate) marked: usize,
    pub(crate) mean: Duration,
    pub(crate) max: Duration,
    pub(crate) p50: Duration,
    pub(crate) p95: Duration,
    pub(crate) p99: Duration,
}

impl Window {
    /// A window over the latest `size` samples, at least one. It takes memory as samples come.
    pub(crate) fn new(size: usize) -> Self {
        Window { samples: VecDeque::new(), size: size.max(1), sum: 0, marked: 0 }
    }

    pub(crate) fn push(&mut self, time: Duration, is_marked: bool) {
        let nanos = crate::moment::nanos(time);
        if self.samples.len() >= self.size
            && let Some((old, was_marked)) = self.samples.pop_front()
        {
            self.sum -= u128::from(old);
            self.marked -= usize::from(was_marked);
        }
        self.samples.push_back((nanos, is_marked));
        self.sum += u128::from(nanos);
        self.marked += usize::from(is_marked);
    }

    /// Whether there is any sample.
    pub(crate) fn any(&self) -> bool {
        !self.samples.is_empty()
    }

    /// How many are marked.
    pub(crate) fn marked(&self) -> usize {
        self.marked
    }

    /// The share of marked samples; none of none.
    pub(crate) fn share_marked(&self) -> f64 {
        match self.samples.len() {
            0 => 0.0,
            count => self.marked as f64 / count as f64,
        }
    }

    /// The mean of the samples; zero of none.
    pub(crate) fn mean(&self) -> Duration {
        let count = u128::try_from(self.samples.len().max(1)).unwrap_or(1);
        Duration::from_nanos(u64::try_from(self.sum / count).unwrap_or(u64::MAX))
    }

    /// The longest of the samples; zero of none.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.samples.iter().map(|(nanos, _)| *nanos).max().unwrap_or(0))
    }

    /// All of it. It sorts the samples, so it is made of a copy and not under a lock.
    pub(crate) fn summary(&self) -> Summary {
        let mut times: Vec<u64> = self.samples.iter().map(|(nanos, _)| *nanos).collect();
        times.sort_unstable();
        let count = times.len();
        // The smallest time that at least so many per cent of the samples do not exceed.
        let percentile = |per_cent: usize| {
            let rank = (count * per_cent).div_ceil(100).max(1) - 1;
            Duration::from_nanos(times.get(rank).copied().unwrap_or(0))
        };
        Summary {
            count,
            marked: self.marked,
            mean: self.mean(),
            max: self.max(),
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_window_shows_nothing() {
        assert_eq!(Window::new(5).summary(), Summary::default());
        assert!(Window::new(5).share_marked() < f64::EPSILON);
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut window = Window::new(1_000);
        (1..=100).for_each(|ms| window.push(Duration::from_millis(ms), ms > 98));
        let summary = window.summary();
        let [p50, p95, p99, max] =
            [summary.p50, summary.p95, summary.p99, summary.max].map(|time| time.as_millis());
        assert_eq!((p50, p95, p99, max, summary.marked), (50, 95, 99, 100, 2));
        assert_eq!(summary.mean, Duration::from_micros(50_500));
    }

    proptest! {
        #[test]
        fn it_shows_the_latest_samples_and_no_others(
            size in 1_usize..20,
            samples in prop::collection::vec((0_u64..1_000_000, any::<bool>()), 0..80),
        ) {
            let mut window = Window::new(size);
            for (nanos, is_marked) in &samples {
                window.push(Duration::from_nanos(*nanos), *is_marked);
            }
            let latest = samples.get(samples.len().saturating_sub(size)..).unwrap();
            let summary = window.summary();
            prop_assert_eq!(summary.count, latest.len());
            prop_assert_eq!(summary.marked, latest.iter().filter(|(_, is_marked)| *is_marked).count());
            let sum: u64 = latest.iter().map(|(nanos, _)| nanos).sum();
            let mean = sum / u64::try_from(latest.len().max(1)).unwrap();
            prop_assert_eq!(summary.mean, Duration::from_nanos(mean));
            let max = latest.iter().map(|(nanos, _)| *nanos).max().unwrap_or(0);
            prop_assert_eq!(summary.max, Duration::from_nanos(max));
        }
    }
}
