//! What many plays come to.

use crate::client::Lane;
use crate::fault::Fault;
use crate::op::Op;
use crate::play::Played;
use crate::stage::Way;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many ids ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Asked for.
    pub attempts: u64,
    /// Told to be stored.
    pub acknowledged: u64,
    /// Told no before anything was begun.
    pub refused: u64,
    /// Told to have failed for certain.
    pub failed: u64,
    /// Told that nobody knows, or the caller did not wait.
    pub unknown: u64,
    /// Of these, looked up afterwards, with the right answer.
    pub settled: u64,
    /// Acknowledged and not stored.
    pub lost: u64,
    /// Told to have failed, and stored.
    pub phantoms: u64,
    /// Stored more than once.
    pub doubled: u64,
    /// Never told anything although somebody waited, or told twice, or stored without being asked for.
    pub untold: u64,
}

impl Count {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Count) -> Self {
        let pairs = [
            (&mut self.attempts, other.attempts),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.refused, other.refused),
            (&mut self.failed, other.failed),
            (&mut self.unknown, other.unknown),
            (&mut self.settled, other.settled),
            (&mut self.lost, other.lost),
            (&mut self.phantoms, other.phantoms),
            (&mut self.doubled, other.doubled),
            (&mut self.untold, other.untold),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        self
    }

    /// Whether nobody was told a lie.
    #[must_use]
    pub fn is_true(&self) -> bool {
        (self.lost, self.phantoms, self.doubled, self.untold) == (0, 0, 0, 0)
    }

    /// Whether at least 95 % of what was not told could be settled afterwards.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled * 100 >= self.unknown * 95
    }
}

/// Times to an answer, in classes that lie a twentieth apart: exact enough for percentiles, and small.
#[derive(Clone, Debug, Default)]
pub struct Times {
    classes: BTreeMap<i32, u64>,
    longest: Duration,
}

const STEP: f64 = 1.05;

impl Times {
    /// Of these.
    #[must_use]
    pub fn of(waits: &[Duration]) -> Self {
        let mut times = Times::default();
        for wait in waits {
            let class = wait.as_secs_f64().max(1e-6).log(STEP).ceil() as i32;
            *times.classes.entry(class).or_default() += 1;
            times.longest = times.longest.max(*wait);
        }
        times
    }

    fn join(&mut self, other: &Times) {
        for (class, many) in &other.classes {
            *self.classes.entry(*class).or_default() += many;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// The time within which this share had its answer; nothing where nobody asked.
    #[must_use]
    pub fn within(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.classes.values().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (class, many) in &self.classes {
            seen += many;
            if seen >= wanted {
                return Some(Duration::from_secs_f64(STEP.powi(*class)).min(self.longest));
            }
        }
        None
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What it comes to.
    pub count: Count,
    /// To an answer.
    pub times: Times,
    /// Plays after which calls did not go well again.
    pub not_mended: u64,
    /// How often the pooler died by itself and was started again.
    pub pooler_deaths: u64,
}

/// Everything that was played.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// By fault and lane.
    pub faults: BTreeMap<(Way, Fault, Lane), Row>,
    /// By operation and lane.
    pub ops: BTreeMap<(Op, Lane), Count>,
    /// Plays of each way.
    pub plays: BTreeMap<Way, u64>,
}

impl Figures {
    /// Adds a play.
    pub fn add(&mut self, way: Way, fault: Fault, played: &BTreeMap<Lane, Played>) {
        *self.plays.entry(way).or_default() += 1;
        for (lane, played) in played {
            let row = self.faults.entry((way, fault, *lane)).or_default();
            row.count = row.count.and(&played.total());
            row.times.join(&played.times);
            row.not_mended += u64::from(!played.has_mended);
            row.pooler_deaths += played.pooler_deaths;
            for (op, count) in &played.counts {
                let sum = self.ops.entry((*op, *lane)).or_default();
                *sum = sum.and(count);
            }
        }
    }

    /// All of a lane, by one way or by all.
    #[must_use]
    pub fn of_lane(&self, lane: Lane) -> Row {
        let mut sum = Row::default();
        for ((.., of), row) in &self.faults {
            if *of == lane {
                sum.count = sum.count.and(&row.count);
                sum.times.join(&row.times);
                sum.not_mended += row.not_mended;
                sum.pooler_deaths += row.pooler_deaths;
            }
        }
        sum
    }

    /// Whether Plimsoll told no lie, and settled what it had not told.
    #[must_use]
    pub fn ours_are_true(&self) -> bool {
        let mut ours = self.faults.iter().filter(|((.., lane), _)| lane.is_ours());
        ours.all(|(_, row)| row.count.is_true() && row.count.is_settled() && row.not_mended == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_a_twentieth_too_long_at_most() {
        let waits: Vec<Duration> = (1..=1_000).map(Duration::from_millis).collect();
        let times = Times::of(&waits);
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = times.within(share).unwrap().as_secs_f64() * 1e3;
            assert!((exact..=exact * STEP).contains(&found), "{share}: {found} ms");
        }
        assert_eq!(times.longest(), Duration::from_secs(1));
        assert_eq!(Times::default().within(0.5), None);
    }

    #[test]
    fn what_is_joined_is_as_if_it_had_been_one() {
        let half: Vec<Duration> = (1..=500).map(Duration::from_millis).collect();
        let rest: Vec<Duration> = (501..=1_000).map(Duration::from_millis).collect();
        let mut joined = Times::of(&half);
        joined.join(&Times::of(&rest));
        let whole = Times::of(&[half, rest].concat());
        assert_eq!(joined.within(0.9), whole.within(0.9));
        assert_eq!(joined.longest(), whole.longest());
    }

    #[test]
    fn nothing_unknown_is_settled_and_a_twentieth_may_stay_open() {
        let count = |unknown, settled| Count { unknown, settled, ..Count::default() };
        assert!(count(0, 0).is_settled());
        assert!(count(100, 95).is_settled());
        assert!(!count(100, 94).is_settled());
    }
}
