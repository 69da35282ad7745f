//! How long a batch takes, how large the next one may be, and how long a newcomer would wait. Pure: the times are arguments.
//!
//! A batch has a time of its own and one for each row: `t = a + b n`. Both are found from the last batches, by least squares in
//! which an older batch counts less. From that follow
//! - the largest batch: one that is written within the aim. It at most doubles when a full batch was quick, and halves when a
//!   full one was slow or any ran out of time, so that no step rests on a guess;
//! - the expected wait: the batches that lie ahead, shared by the lanes.

use std::time::Duration;

/// How much of a batch's weight is left after the next one.
const FADES_TO: f64 = 0.8;

/// What a batch may have at first.
const FIRST: usize = 64;

/// What it may have even where batches are slow: a database that is slow with small ones is slower with more of them.
const LEAST: usize = 16;

/// The pace of the lanes.
#[derive(Clone, Debug)]
pub struct Pace {
    lanes: usize,
    most: usize,
    aim: Duration,
    limit: usize,
    sums: Sums,
}

/// Weighted sums over the batches: of one, n, t, n² and nt.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    one: f64,
    n: f64,
    t: f64,
    nn: f64,
    nt: f64,
}

impl Pace {
    /// Of so many lanes, batches of up to so many rows, each of which should take no longer than the aim.
    #[must_use]
    pub fn new(lanes: usize, most: usize, aim: Duration) -> Self {
        Pace {
            lanes: lanes.max(1),
            most: most.max(1),
            aim,
            limit: FIRST.min(most.max(1)),
            sums: Sums::default(),
        }
    }

    /// A batch of so many rows was written in this time.
    pub fn wrote(&mut self, rows: usize, took: Duration) {
        self.learn(rows, took);
        if took > self.aim && rows >= self.limit / 2 {
            self.limit = self.limit.min((self.limit / 2).max(LEAST.min(self.most)));
        } else if rows >= self.limit && took < self.aim / 2 {
            self.limit = (self.limit * 2).min(self.most);
        }
    }

    /// A batch of so many rows was given up after this time.
    pub fn ran_out(&mut self, rows: usize, after: Duration) {
        self.learn(rows, after);
        self.limit = (rows.min(self.limit) / 2).max(1);
    }

    fn learn(&mut self, rows: usize, took: Duration) {
        let (n, t) = (count(rows), took.as_secs_f64());
        let Sums { one, n: sum_n, t: sum_t, nn, nt } = self.sums;
        let fade = |sum: f64, new: f64| sum.mul_add(FADES_TO, new);
        self.sums = Sums {
            one: fade(one, 1.0),
            n: fade(sum_n, n),
            t: fade(sum_t, t),
            nn: fade(nn, n * n),
            nt: fade(nt, n * t),
        };
    }

    /// The most rows of the next batch.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.limit
    }

    /// Whether one who comes behind so many rows has to expect a longer wait than this. One that goes with the next round of
    /// the lanes has not: that a few small batches were slow tells too little about a large one.
    #[must_use]
    pub fn is_longer(&self, ahead: usize, longest: Duration) -> bool {
        ahead >= self.limit.saturating_mul(self.lanes) && self.wait(ahead) > longest
    }

    /// How long one waits who comes behind so many rows. Nothing is known before the first batch.
    #[must_use]
    pub fn wait(&self, ahead: usize) -> Duration {
        // One who comes goes with the next batch, where that is not full yet.
        let turn = self.limit.min(ahead.div_ceil(self.lanes)).max(1);
        let batches = count(ahead) / (count(turn) * count(self.lanes));
        Duration::try_from_secs_f64(batches * self.time_of(turn)).unwrap_or(Duration::MAX)
    }

    /// Seconds for a batch of so many rows.
    fn time_of(&self, rows: usize) -> f64 {
        let Sums { one, n, t, nn, nt } = self.sums;
        if one <= 0.0 {
            return 0.0;
        }
        let spread = one.mul_add(nn, -(n * n));
        let of_row = if spread > 1e-6 * nn { (one.mul_add(nt, -(n * t)) / spread).max(0.0) } else { 0.0 };
        let of_batch = (t - of_row * n) / one;
        match of_batch < 0.0 {
            true => t / n * count(rows),
            false => of_row.mul_add(count(rows), of_batch),
        }
    }
}

/// A number of rows, which is small, as a float.
fn count(rows: usize) -> f64 {
    f64::from(u32::try_from(rows).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AIM: Duration = Duration::from_secs(1);

    /// What a database takes for it: a time for the batch and one for each row.
    fn takes(rows: usize, batch: u64, row: u64) -> Duration {
        Duration::from_micros(batch + row * u64::try_from(rows).unwrap())
    }

    /// Writes full batches until the size stands.
    fn settled(batch: u64, row: u64) -> Pace {
        let mut pace = Pace::new(4, 500, AIM);
        for _ in 0..40 {
            pace.wrote(pace.batch(), takes(pace.batch(), batch, row));
        }
        pace
    }

    #[test]
    fn a_batch_is_as_large_as_the_aim_allows() {
        assert_eq!(settled(3_000, 20).batch(), 500, "a quick database gets the largest");
        let slow = settled(3_000, 20_000).batch();
        assert!((12..=50).contains(&slow), "{slow} rows at 20 ms each within a second");
        assert_eq!(settled(3_000_000, 0).batch(), LEAST, "more and smaller ones would be slower still");
    }

    #[test]
    fn one_that_ran_out_of_time_shrinks() {
        let mut pace = settled(3_000, 20);
        for expected in [250, 125, 62] {
            pace.ran_out(pace.batch(), Duration::from_secs(4));
            assert_eq!(pace.batch(), expected);
        }
        pace.wrote(2, takes(2, 3_000, 20));
        assert_eq!(pace.batch(), 62, "a small batch proves nothing about large ones");
        pace.wrote(2, Duration::from_secs(2));
        assert_eq!(pace.batch(), 62, "nor does a small one that is slow");
        for _ in 0..9 {
            pace.ran_out(pace.batch(), Duration::from_secs(4));
        }
        assert_eq!(pace.batch(), 1, "it does not become none");
    }

    #[test]
    fn nothing_is_refused_before_something_is_known() {
        assert_eq!(Pace::new(4, 500, AIM).wait(5_000), Duration::ZERO);
    }

    #[test]
    fn who_goes_with_the_next_round_is_not_refused_for_a_slow_start() {
        let mut pace = Pace::new(4, 500, AIM);
        pace.wrote(1, Duration::from_millis(100));
        pace.wrote(3, Duration::from_secs(2));
        assert!(!pace.is_longer(200, AIM));
        assert!(pace.is_longer(2_000, AIM));
        assert!(!settled(3_000, 20).is_longer(5_000, AIM), "a quick database has room for all of them");
    }

    #[test]
    fn single_rows_do_not_make_a_crowd_look_slow() {
        let mut pace = Pace::new(4, 500, AIM);
        for _ in 0..100 {
            pace.wrote(1, Duration::from_millis(3));
        }
        assert!(pace.wait(2_000) < Duration::from_millis(100), "{:?}", pace.wait(2_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The wait that is told is the one that comes, by a plain simulation of the lanes.
        #[test]
        fn the_expected_wait_is_near_the_real_one(
            batch in 500u64..20_000, row in 1u64..30_000, ahead in 1usize..5_000,
        ) {
            let pace = settled(batch, row);
            let (mut lanes, mut left) = ([Duration::ZERO; 4], ahead);
            while left > 0 {
                let lane = lanes.iter_mut().min().unwrap();
                let rows = pace.batch().min(left.div_ceil(4)).max(1);
                *lane += takes(rows, batch, row);
                left -= rows.min(left);
            }
            let real = *lanes.iter().min().unwrap();
            let told = pace.wait(ahead);
            prop_assert!(told <= real * 2 + AIM * 2, "told {told:?}, was {real:?}");
            prop_assert!(real <= told * 2 + AIM * 2, "told {told:?}, was {real:?}");
        }

        /// Whatever it is told, it answers.
        #[test]
        fn it_stays_within_its_bounds(batches in prop::collection::vec((0usize..2_000, 0u64..60_000, any::<bool>()), 0..100), ahead in any::<usize>()) {
            let mut pace = Pace::new(4, 500, AIM);
            for (rows, millis, ran_out) in batches {
                let took = Duration::from_millis(millis);
                if ran_out { pace.ran_out(rows, took) } else { pace.wrote(rows, took) }
                prop_assert!((1..=500).contains(&pace.batch()));
            }
            let _ = pace.wait(ahead);
        }
    }
}
