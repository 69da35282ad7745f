//! What became of the calls of one round: counted by kind, and their times.
//!
//! A call that was given up at its time limit took at least that long, so it stands in the times with its limit. A call that was
//! refused or failed stands in no time: a quick no would make the service look faster.

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that is told apart.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Three digits of each time are kept.
const DIGITS: u8 = 3;
/// So many kinds of failures are told apart; the rest is one kind.
const KINDS: usize = 64;
const OTHER: &str = "of other kinds";

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Well.
    Answered,
    /// At the time limit.
    TimedOut,
    /// It was told to come again: 429 and 503, a pool that is full, a breaker that is open.
    Refused {
        /// By what.
        by: Cow<'static, str>,
        /// It was told when.
        says_when: bool,
    },
    /// Anything else.
    Failed(Cow<'static, str>),
}

/// One call that is over.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) target: usize,
    pub(super) end: End,
    /// From the moment at which it was due.
    pub(super) since_due: Duration,
    /// How much later than that it was begun.
    pub(super) late: Duration,
    /// How long it waited for a connection, and how long it had one: of a database only.
    pub(super) parts: Option<Parts>,
    /// Within the round, and not in what it left behind.
    pub(super) is_in_round: bool,
    /// When it was due, as a share of the round.
    pub(super) at: f64,
}

/// Of what the time of a call to a database consists.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) waited: Duration,
    pub(super) worked: Duration,
}

/// Times of one kind.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Times {
    /// # Errors
    /// Never with these bounds.
    pub(super) fn new() -> Result<Self> {
        let most = u64::try_from(LONGEST.as_micros()).context("the longest time")?;
        Ok(Times(Histogram::new_with_bounds(1, most, DIGITS).context("times cannot be kept")?))
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub(super) fn merge(&mut self, other: &Times) -> Result<()> {
        self.0.add(&other.0).context("times cannot be added up")
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        let at = |share| self.0.value_at_quantile(share) as f64 / 1_000.0;
        Percentiles {
            mean: self.0.mean() / 1_000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max() as f64 / 1_000.0,
        }
    }
}

/// Milliseconds. All are 0 where nothing was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Percentiles {
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Calls by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// The schedule had them.
    pub(super) due: u64,
    /// Never begun: as many were in flight as may be.
    pub(super) skipped: u64,
    pub(super) answered: u64,
    pub(super) timed_out: u64,
    /// Told to come again.
    pub(super) refused: u64,
    /// Of these, those that were told when.
    pub(super) refused_with_retry_after: u64,
    pub(super) failed: u64,
    /// In flight when the run was interrupted.
    pub(super) unfinished: u64,
}

impl Counts {
    /// All that did not end well.
    pub(super) fn not_well(&self) -> u64 {
        self.skipped + self.timed_out + self.refused + self.failed
    }

    pub(super) fn add(&mut self, other: &Counts) {
        self.due += other.due;
        self.skipped += other.skipped;
        self.answered += other.answered;
        self.timed_out += other.timed_out;
        self.refused += other.refused;
        self.refused_with_retry_after += other.refused_with_retry_after;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
    }
}

/// Parts of a round, to see when something happened.
pub(super) const MOMENTS: usize = 60;

/// The calls that were due in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// The longest time of a call, in milliseconds.
    pub(super) longest_ms: f64,
    /// Those that ended otherwise than well.
    pub(super) not_well: u64,
}

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// Answered well within the round.
    pub(super) in_round: u64,
    pub(super) kinds: BTreeMap<String, u64>,
    pub(super) times: Times,
    pub(super) waits: Times,
    pub(super) works: Times,
    pub(super) late: Times,
    pub(super) has_parts: bool,
    pub(super) moments: Vec<Moment>,
    pub(super) by_target: Vec<OfTarget>,
}

/// One target's part of it.
#[derive(Clone, Debug)]
pub(super) struct OfTarget {
    pub(super) counts: Counts,
    pub(super) times: Times,
}

impl Tally {
    /// # Errors
    /// Never: see [`Times::new`].
    pub(super) fn new(targets: usize) -> Result<Self> {
        let of_target = OfTarget { counts: Counts::default(), times: Times::new()? };
        Ok(Tally {
            counts: Counts::default(),
            in_round: 0,
            kinds: BTreeMap::new(),
            times: Times::new()?,
            waits: Times::new()?,
            works: Times::new()?,
            late: Times::new()?,
            has_parts: false,
            moments: vec![Moment::default(); MOMENTS],
            by_target: vec![of_target; targets],
        })
    }

    /// A call was due, and is begun or not.
    pub(super) fn due(&mut self, target: usize, is_begun: bool) {
        let of_target = self.by_target.get_mut(target).map(|it| &mut it.counts);
        for counts in of_target.into_iter().chain([&mut self.counts]) {
            counts.due += 1;
            counts.skipped += u64::from(!is_begun);
        }
    }

    /// A call is over.
    pub(super) fn ended(&mut self, call: &Ended) {
        let Ended { target, end, since_due, late, parts, is_in_round, at } = call;
        self.late.add(*late);
        self.moment(*at, end, *since_due);
        let of_target = self.by_target.get_mut(*target);
        let (of_target, target_times) =
            of_target.map_or((None, None), |it| (Some(&mut it.counts), Some(&mut it.times)));
        for counts in of_target.into_iter().chain([&mut self.counts]) {
            match end {
                End::Answered => counts.answered += 1,
                End::TimedOut => counts.timed_out += 1,
                End::Refused { says_when, .. } => {
                    counts.refused += 1;
                    counts.refused_with_retry_after += u64::from(*says_when);
                }
                End::Failed(_) => counts.failed += 1,
            }
        }
        if matches!(end, End::Answered | End::TimedOut) {
            for times in target_times.into_iter().chain([&mut self.times]) {
                times.add(*since_due);
            }
        }
        self.in_round += u64::from(*end == End::Answered && *is_in_round);
        if let (End::Answered, Some(parts)) = (end, parts) {
            self.has_parts = true;
            self.waits.add(parts.waited);
            self.works.add(parts.worked);
        }
        match end {
            End::Answered => {}
            End::TimedOut => self.kind("timed out"),
            End::Refused { by, says_when: true } => {
                self.kind(&format!("refused: {by}, told when to come again"))
            }
            End::Refused { by, .. } => self.kind(&format!("refused: {by}")),
            End::Failed(kind) => self.kind(kind),
        }
    }

    /// No call of the round will end any more.
    pub(super) fn close(&mut self) {
        for counts in self.by_target.iter_mut().map(|it| &mut it.counts).chain([&mut self.counts]) {
            let over = counts.answered + counts.not_well();
            counts.unfinished = counts.due.saturating_sub(over);
        }
    }

    fn moment(&mut self, at: f64, end: &End, since_due: Duration) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 60")]
        let place = (at.clamp(0.0, 1.0) * MOMENTS as f64) as usize;
        let Some(moment) = self.moments.get_mut(place.min(MOMENTS - 1)) else { return };
        moment.not_well += u64::from(*end != End::Answered);
        if matches!(end, End::Answered | End::TimedOut) {
            moment.longest_ms = moment.longest_ms.max(since_due.as_secs_f64() * 1_000.0);
        }
    }

    fn kind(&mut self, kind: &str) {
        let is_room = self.kinds.len() < KINDS || self.kinds.contains_key(kind);
        let kind = if is_room { kind } else { OTHER };
        match self.kinds.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.kinds.insert(kind.to_owned(), 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in crate::load) fn call(end: End, ms: u64) -> Ended {
        let since_due = Duration::from_millis(ms);
        Ended { target: 0, end, since_due, late: Duration::ZERO, parts: None, is_in_round: true, at: 0.5 }
    }

    #[test]
    fn a_time_limit_counts_as_a_time_and_a_quick_no_does_not() {
        let mut tally = Tally::new(1).unwrap();
        for _ in 0..98 {
            tally.ended(&call(End::Answered, 10));
        }
        for _ in 0..2 {
            tally.ended(&call(End::TimedOut, 5_000));
        }
        for says_when in [true, false] {
            tally.ended(&call(End::Refused { by: "status 503".into(), says_when }, 1));
        }
        tally.ended(&call(End::Failed("status 500".into()), 1));
        let found = tally.times.percentiles();
        assert!((found.p50 - 10.0).abs() < 0.1 && (found.p99 - 5_000.0).abs() < 5.0, "{found:?}");
        let counts = tally.counts;
        assert_eq!((counts.answered, counts.timed_out, counts.refused, counts.failed), (98, 2, 2, 1));
        assert_eq!(counts.refused_with_retry_after, 1);
        let kinds: Vec<&str> = tally.kinds.keys().map(String::as_str).collect();
        assert_eq!(
            kinds,
            [
                "refused: status 503",
                "refused: status 503, told when to come again",
                "status 500",
                "timed out"
            ]
        );
    }

    #[test]
    fn kinds_and_times_have_bounds() {
        let mut tally = Tally::new(1).unwrap();
        for number in 0..1_000 {
            tally.ended(&call(End::Failed(format!("kind {number}").into()), 1));
        }
        assert_eq!(tally.kinds.len(), KINDS + 1);
        assert_eq!(tally.kinds[OTHER], 1_000 - KINDS as u64);
        tally.times.add(Duration::from_secs(1 << 40));
        tally.times.add(Duration::ZERO);
        assert!(tally.times.percentiles().max > 3_600_000.0 - 10_000.0);
        assert_eq!(Tally::new(1).unwrap().times.percentiles(), Percentiles::default());
    }
}
