//! What is known of one lane while it runs: the log that the ledger is checked against, and the figures of the screen.
//!
//! A lane is written to by hundreds of requests and read ten times a second, so it is one lock that is held for a few
//! instructions; nobody waits under it. Two kinds of figures are kept. Those of the whole run (the log, every time to an
//! answer) are for the table at the end. Those of each second are for the screen, and a screen shows what happens *now*:
//! a call counts there in the second in which it was answered, and a call that still waits shows by its age.

use parking_lot::Mutex;
use plimsoll_faults::ledger::{End, Entry};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The seconds that the percentiles of the screen look back.
pub(super) const WINDOW: usize = 5;
/// The seconds that are kept for the screen, more than any terminal is wide.
const KEPT: usize = 300;

/// How a request ended: for the ledger, and in a few words for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// What the caller may rely on.
    pub(super) end: End,
    /// What went wrong, if anything.
    pub(super) error: Option<Cow<'static, str>>,
}

impl Told {
    /// It is stored.
    pub(super) fn acknowledged() -> Self {
        Told { end: End::Acknowledged, error: None }
    }

    /// It is not, or nobody knows.
    pub(super) fn not(end: End, error: impl Into<Cow<'static, str>>) -> Self {
        Told { end, error: Some(error.into()) }
    }
}

/// One second of a lane.
#[derive(Clone, Debug, Default)]
struct Second {
    /// Times to an answer, in milliseconds.
    waits: Vec<f64>,
    acknowledged: u64,
    /// The 99th percentile, once the second is over: a picture is drawn ten times a second, of minutes of them.
    over: Option<Option<f64>>,
}

#[derive(Debug, Default)]
struct Kept {
    attempts: u64,
    waiting: BTreeSet<(Instant, u64)>,
    most_waiting: usize,
    log: Vec<Entry>,
    told_yes: Vec<f64>,
    told_no: Vec<f64>,
    errors: BTreeMap<Cow<'static, str>, u64>,
    counts: Counts,
    seconds: VecDeque<Second>,
    /// Which second is the last of `seconds`.
    current: u64,
}

/// How many requests have ended in which way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Stored.
    pub(super) acknowledged: u64,
    /// Told no before anything was begun.
    pub(super) refused: u64,
    /// Failed for certain.
    pub(super) failed: u64,
    /// Nobody knows.
    pub(super) unknown: u64,
}

/// One lane's board.
#[derive(Debug)]
pub(super) struct Lane {
    /// As the screen and the table call it.
    pub(super) name: &'static str,
    began: Instant,
    kept: Mutex<Kept>,
}

/// What the screen shows of a lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Glance {
    /// Requests that wait for their answer.
    pub(super) in_flight: usize,
    /// How long the oldest of them has waited.
    pub(super) oldest: Duration,
    /// In the last second that is over.
    pub(super) acknowledged_per_second: u64,
    /// Over the last seconds, in milliseconds; none if nobody was answered.
    pub(super) p50: Option<f64>,
    /// The same.
    pub(super) p99: Option<f64>,
    /// How requests have ended.
    pub(super) counts: Counts,
    /// The most frequent first.
    pub(super) errors: Vec<(Cow<'static, str>, u64)>,
    /// The 99th percentile of each second, the last one last.
    pub(super) waits: Vec<Option<f64>>,
    /// Acknowledged in each second.
    pub(super) acknowledged: Vec<u64>,
}

/// Times to an answer over the whole run, in milliseconds, and how many waited at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Of every answer.
    pub(super) p50: f64,
    /// Of every answer.
    pub(super) p99: f64,
    /// Of the answers that were not "it is stored".
    pub(super) no_p50: f64,
    /// The same.
    pub(super) no_p99: f64,
    /// The most requests that waited at one time.
    pub(super) most_in_flight: usize,
}

impl Lane {
    /// Empty; its seconds count from `began`.
    pub(super) fn new(name: &'static str, began: Instant) -> Self {
        Lane { name, began, kept: Mutex::default() }
    }

    /// A request is made.
    pub(super) fn asked(&self, id: u64, now: Instant) {
        let mut kept = self.kept.lock();
        kept.attempts += 1;
        kept.waiting.insert((now, id));
        kept.most_waiting = kept.most_waiting.max(kept.waiting.len());
    }

    /// A request has its answer.
    pub(super) fn answered(&self, id: u64, asked: Instant, now: Instant, told: Told) {
        let wait = now.saturating_duration_since(asked).as_secs_f64() * 1000.0;
        let mut kept = self.kept.lock();
        kept.waiting.remove(&(asked, id));
        kept.log.push(Entry { id, end: told.end });
        if told.end == End::Acknowledged { &mut kept.told_yes } else { &mut kept.told_no }.push(wait);
        if let Some(error) = told.error {
            *kept.errors.entry(error).or_default() += 1;
        }
        match told.end {
            End::Acknowledged => kept.counts.acknowledged += 1,
            End::Refused => kept.counts.refused += 1,
            End::Failed => kept.counts.failed += 1,
            End::Unknown => kept.counts.unknown += 1,
        }
        kept.roll(now.saturating_duration_since(self.began).as_secs());
        if let Some(second) = kept.seconds.back_mut() {
            second.waits.push(wait);
            second.acknowledged += u64::from(told.end == End::Acknowledged);
        }
    }

    /// How many were asked, and what each was told.
    pub(super) fn log(&self) -> (u64, Vec<Entry>) {
        let kept = self.kept.lock();
        (kept.attempts, kept.log.clone())
    }

    /// The figures of the whole run.
    pub(super) fn times(&self) -> Times {
        let kept = self.kept.lock();
        let (mut all, mut no) = (kept.told_yes.clone(), kept.told_no.clone());
        all.extend(&no);
        all.sort_by(f64::total_cmp);
        no.sort_by(f64::total_cmp);
        let of = |sorted: &[f64], share| quantile(sorted, share).unwrap_or(f64::NAN);
        Times {
            p50: of(&all, 0.5),
            p99: of(&all, 0.99),
            no_p50: of(&no, 0.5),
            no_p99: of(&no, 0.99),
            most_in_flight: kept.most_waiting,
        }
    }

    /// The figures of this moment.
    pub(super) fn glance(&self, now: Instant) -> Glance {
        let mut kept = self.kept.lock();
        kept.roll(now.saturating_duration_since(self.began).as_secs());
        let recent = kept.seconds.iter().rev().take(WINDOW);
        let mut waits: Vec<f64> = recent.flat_map(|second| &second.waits).copied().collect();
        waits.sort_by(f64::total_cmp);
        let mut errors: Vec<_> = kept.errors.iter().map(|(word, count)| (word.clone(), *count)).collect();
        errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let oldest = kept.waiting.first().map(|(asked, _)| now.saturating_duration_since(*asked));
        Glance {
            in_flight: kept.waiting.len(),
            oldest: oldest.unwrap_or_default(),
            acknowledged_per_second: kept.seconds.iter().rev().nth(1).map_or(0, |second| second.acknowledged),
            p50: quantile(&waits, 0.5),
            p99: quantile(&waits, 0.99),
            counts: kept.counts,
            errors,
            waits: kept.seconds.iter().map(Second::p99).collect(),
            acknowledged: kept.seconds.iter().map(|second| second.acknowledged).collect(),
        }
    }
}

impl Kept {
    /// Begins the seconds up to this one.
    fn roll(&mut self, second: u64) {
        if self.seconds.is_empty() {
            self.seconds.push_back(Second::default());
        }
        // After a gap longer than what is kept, nothing of before would be left anyway.
        self.current = self.current.max(second.saturating_sub(KEPT as u64));
        while self.current < second {
            self.current += 1;
            if let Some(over) = self.seconds.back_mut() {
                over.over = Some(over.p99());
            }
            self.seconds.push_back(Second::default());
        }
        while self.seconds.len() > KEPT {
            self.seconds.pop_front();
        }
    }
}

impl Second {
    fn p99(&self) -> Option<f64> {
        if let Some(p99) = self.over {
            return p99;
        }
        let mut waits = self.waits.clone();
        waits.sort_by(f64::total_cmp);
        quantile(&waits, 0.99)
    }
}

/// The value below which this share of the sorted values lies.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    // An index, rounded; lists are far shorter than a float is exact.
    sorted.get((last as f64 * share).round() as usize).copied()
}
