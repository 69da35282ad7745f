//! How long something took, in the buckets that OpenTelemetry gives for database clients.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets, in seconds; each end belongs to its bucket. Above the last there is one more.
pub(crate) const BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Counts of times. It is written to by all tasks at once and takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    since_start: Times,
    /// Those of earlier runs.
    earlier: Times,
}

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Times {
    fn snapshot(&self) -> HistogramSnapshot {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        HistogramSnapshot {
            bounds: &BOUNDS,
            count: counts.iter().sum(),
            counts,
            sum_seconds: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

/// A histogram as it was at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HistogramSnapshot {
    /// The upper ends of the buckets, in seconds. Above the last there is one more bucket.
    pub bounds: &'static [f64],
    /// How many times fell into each bucket.
    pub counts: Vec<u64>,
    /// How many there are in all.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum_seconds: f64,
}

impl HistogramSnapshot {
    /// This one and another together.
    pub(crate) fn with(mut self, other: HistogramSnapshot) -> Self {
        self.counts
            .iter_mut()
            .zip(other.counts)
            .for_each(|(count, more)| *count = count.saturating_add(more));
        self.count = self.count.saturating_add(other.count);
        self.sum_seconds += other.sum_seconds;
        self
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.since_start.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.since_start.sum_nanos.fetch_add(crate::moment::nanos(time), Ordering::Relaxed);
    }

    /// The sum of all times, in nanoseconds, with those of earlier runs.
    pub(crate) fn sum_nanos(&self) -> u64 {
        let [now, earlier] =
            [&self.since_start, &self.earlier].map(|times| times.sum_nanos.load(Ordering::Relaxed));
        now.saturating_add(earlier)
    }

    /// Adds what earlier runs have counted in the same buckets.
    pub(crate) fn add_counts(&self, counts: &[u64], sum_nanos: u64) {
        for (bucket, count) in self.earlier.buckets.iter().zip(counts) {
            bucket.fetch_add(*count, Ordering::Relaxed);
        }
        self.earlier.sum_nanos.fetch_add(sum_nanos, Ordering::Relaxed);
    }

    /// All of it, with the times of earlier runs.
    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        self.since_start.snapshot().with(self.earlier.snapshot())
    }

    /// What was counted since the start.
    pub(crate) fn since_start(&self) -> HistogramSnapshot {
        self.since_start.snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for (micros, bucket) in [
            (0, 0),
            (1_000, 0),
            (1_001, 1),
            (10_000, 2),
            (499_999, 5),
            (1_000_000, 6),
            (10_000_000, 8),
            (10_000_001, 9),
        ] {
            let before = histogram.snapshot().counts;
            histogram.record(Duration::from_micros(micros));
            let after = histogram.snapshot().counts;
            assert_eq!(after[bucket], before[bucket] + 1, "{micros} µs");
        }
        let snapshot = histogram.snapshot();
        assert_eq!((snapshot.count, snapshot.counts.len()), (8, 10));
        assert!((snapshot.sum_seconds - 21.512_001).abs() < 1e-6, "{snapshot:?}");
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_a_nanosecond_more_does_not() {
        for (bucket, bound) in BOUNDS.iter().enumerate() {
            let (histogram, end) = (Histogram::default(), Duration::from_secs_f64(*bound));
            histogram.record(end);
            histogram.record(end + Duration::from_nanos(1));
            let counts = histogram.snapshot().counts;
            assert_eq!((counts[bucket], counts[bucket + 1]), (1, 1), "{bound} s");
        }
    }
}
