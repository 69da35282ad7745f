//! How long readings took from the moment for which they were meant, as counts in buckets that are 3 % wide. Pure.

use std::time::Duration;

/// So many buckets lie between a number and its double.
const PARTS: u32 = 32;
/// Enough for every number of microseconds that there is.
const BUCKETS: usize = 60 * 32;

/// The counts; 15 KB, however many there are.
#[derive(Clone, Debug)]
pub struct Latency {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { counts: vec![0; BUCKETS], total: 0, longest: Duration::ZERO }
    }
}

impl Latency {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
            self.total += 1;
        }
        self.longest = self.longest.max(took);
    }

    /// The time within which this share of them was, from 0 to 1; none where none was counted.
    #[must_use]
    pub fn within(&self, share: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count is a count"
        )]
        let rank = ((self.total as f64 * share.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_micros(end(place)).min(self.longest));
            }
        }
        Some(self.longest)
    }

    /// The longest; none where none was counted.
    #[must_use]
    pub fn longest(&self) -> Option<Duration> {
        (self.total > 0).then_some(self.longest)
    }
}

fn bucket(micros: u64) -> usize {
    let part = match micros.checked_ilog2() {
        Some(power) if power >= PARTS.ilog2() => {
            let shift = power - PARTS.ilog2();
            u64::from((shift + 1) * PARTS) + ((micros >> shift) - u64::from(PARTS))
        }
        _ => micros,
    };
    usize::try_from(part).unwrap_or(usize::MAX)
}

/// The greatest number of a bucket.
fn end(place: usize) -> u64 {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    let parts = u64::from(PARTS);
    if place < parts {
        return place;
    }
    let (shift, part) = (place / parts - 1, place % parts + parts);
    ((part + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn none_is_none() {
        let latency = Latency::default();
        assert_eq!((latency.within(0.5), latency.longest()), (None, None));
    }

    proptest! {
        #[test]
        fn each_number_has_a_bucket_that_is_three_percent_wide(micros: u64) {
            let place = bucket(micros);
            prop_assert!(place < BUCKETS);
            let end = end(place);
            prop_assert!(end >= micros && end - micros <= micros / 32, "{micros} in {place} to {end}");
        }

        #[test]
        fn a_share_is_that_of_the_sorted_list(mut took in proptest::collection::vec(0u64..10_000_000, 1..200), share in 0.0f64..=1.0) {
            let mut latency = Latency::default();
            for micros in &took {
                latency.add(Duration::from_micros(*micros));
            }
            took.sort_unstable();
            let rank = ((took.len() as f64 * share).ceil() as usize).clamp(1, took.len());
            let exact = took[rank - 1];
            let told = u64::try_from(latency.within(share).unwrap().as_micros()).unwrap();
            prop_assert!(told >= exact && told - exact <= exact / 32, "{told} for {exact}");
        }
    }
}
