//! How the times of one kind of statement are spread, in little memory: enough for a percentile.
//!
//! A bucket ends at √2 of the one before, so a percentile is at most 41 % too long and never too short. It forgets: from
//! time to time all counts are halved, so that what a statement took before an index was made weighs less and less.

use crate::moment::nanos;
use crate::rules::suggestion::Observed;
use std::time::Duration;

/// The last of them ends at 74 s.
const BUCKETS: usize = 40;

/// The ends of the buckets, in nanoseconds.
#[expect(clippy::indexing_slicing, reason = "an index out of range would not compile")]
const ENDS: [u64; BUCKETS] = {
    let mut ends = [100_000; BUCKETS];
    let mut bucket = 1;
    while bucket < BUCKETS {
        // Two buckets for each doubling; what is rounded is a nanosecond.
        let doubled = 100_000 << (bucket / 2);
        ends[bucket] = if bucket % 2 == 0 { doubled } else { doubled * 141_421_357 / 100_000_000 };
        bucket += 1;
    }
    ends
};

/// At so many all counts are halved.
const MOST: u32 = 8_192;

/// The times of one kind of statement.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    buckets: [u16; BUCKETS],
    /// Those that were stopped before they were answered, and those that took longer than the last bucket.
    beyond: u32,
    cut_off: u32,
    count: u32,
}

impl Default for Spread {
    fn default() -> Self {
        Spread { buckets: [0; BUCKETS], beyond: 0, cut_off: 0, count: 0 }
    }
}

impl Spread {
    /// An execution was answered after this time.
    pub(crate) fn answered(&mut self, took: Duration) {
        self.make_room();
        let nanos = nanos(took);
        match self.buckets.get_mut(ENDS.partition_point(|end| *end < nanos)) {
            Some(bucket) => *bucket += 1,
            None => self.beyond += 1,
        }
        self.count += 1;
    }

    /// An execution was stopped or given up before it was answered: it would have taken longer, and it is not known how much.
    pub(crate) fn cut_off(&mut self) {
        self.make_room();
        self.beyond += 1;
        self.cut_off += 1;
        self.count += 1;
    }

    fn make_room(&mut self) {
        if self.count < MOST {
            return;
        }
        self.buckets.iter_mut().for_each(|bucket| *bucket /= 2);
        self.beyond /= 2;
        self.cut_off /= 2;
        self.count = self.buckets.iter().copied().map(u32::from).sum::<u32>() + self.beyond;
    }

    /// What is known.
    pub(crate) fn observed(&self) -> Observed {
        let rank = (u64::from(self.count) * 99).div_ceil(100);
        let mut below = 0;
        let within = self.buckets.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        });
        Observed {
            samples: self.count.into(),
            cut_off: self.cut_off.into(),
            p99: within.filter(|_| self.count > 0).map(end),
        }
    }
}

fn end(bucket: usize) -> Duration {
    Duration::from_nanos(ENDS.get(bucket).copied().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::suggestion::{FLOOR, suggest};
    use proptest::prelude::*;

    #[test]
    fn a_percentile_is_never_too_short_and_at_most_41_per_cent_too_long() {
        for ms in [0.2, 1.0, 7.0, 33.0, 250.0, 4_000.0, 60_000.0] {
            let (mut spread, took) = (Spread::default(), Duration::from_secs_f64(ms / 1e3));
            (0..500).for_each(|_| spread.answered(took));
            let p99 = spread.observed().p99.unwrap();
            assert!(p99 >= took && p99 <= took.mul_f64(1.415), "{p99:?} of {took:?}");
        }
        assert_eq!(Spread::default().observed(), Observed { samples: 0, cut_off: 0, p99: None });
    }

    #[test]
    fn what_was_stopped_counts_as_longer_than_everything_else() {
        let mut spread = Spread::default();
        (0..990).for_each(|_| spread.answered(Duration::from_millis(5)));
        (0..10).for_each(|_| spread.cut_off());
        assert!(spread.observed().p99.is_some_and(|p99| p99 < Duration::from_millis(8)), "one in a hundred");
        (0..10).for_each(|_| spread.cut_off());
        let Observed { samples, cut_off, p99 } = spread.observed();
        assert_eq!((samples, cut_off, p99), (1_010, 20, None), "two in a hundred");
    }

    #[test]
    fn it_forgets_and_counts_without_end() {
        let mut spread = Spread::default();
        (0..10_000).for_each(|_| spread.answered(Duration::from_secs(2)));
        (0..60_000).for_each(|_| spread.answered(Duration::from_millis(2)));
        let observed = spread.observed();
        assert!(observed.p99.is_some_and(|p99| p99 < Duration::from_millis(3)), "{observed:?}");
        assert!(observed.samples <= u64::from(MOST));
    }

    proptest! {
        /// A limit that follows what it lets through must not tighten itself again and again. Whatever a kind of statement
        /// takes, each limit that is suggested while the last one is in force lets 98 of 100 pass, and none is shorter than
        /// what 98 of 100 take without any limit.
        #[test]
        fn a_limit_that_is_applied_does_not_tighten_itself(
            times in prop::collection::vec(1_u64..20_000, 300..600),
            slow in prop::collection::vec(1_000_u64..60_000, 0..12),
            configured in 500_u64..60_000,
        ) {
            let configured = Duration::from_millis(configured);
            let mut whole: Vec<_> = times.iter().chain(&slow).map(|ms| Duration::from_millis(*ms)).collect();
            let shuffled: Vec<_> = (0..whole.len()).map(|place| whole[place * 7 % whole.len()]).collect();
            whole.sort();
            let needed = whole[whole.len() * 98 / 100 - 1].max(FLOOR).min(configured);
            let (mut limit, mut spread) = (configured, Spread::default());
            for round in 0..12 {
                for took in &shuffled {
                    if *took <= limit { spread.answered(*took) } else { spread.cut_off() }
                }
                let next = suggest(spread.observed(), Some(configured)).limit.unwrap();
                prop_assert!(next >= needed, "round {round}: {next:?} after {limit:?}, and {needed:?} is needed");
                limit = next;
            }
        }
    }
}
