//! Failures that repeat: the first is told whole, the others are counted.
//!
//! While a server is away the same failure comes once a second from each connect, and from each caller that waits. A log
//! that is full of one line hides the others. So the first failure of a kind and fault is told whole, then one line a
//! minute says how many more there were, and one says so when it is over: because the opposite happened, or because
//! nothing more came for a while.

use crate::fault::Fault;
use crate::moment::Moment;
use std::time::Duration;

/// After this time those that were counted are told, while they go on.
const PERIOD: Duration = Duration::from_secs(60);

/// What ended and came back within this time is counted, so that a server that comes and goes fills no log either.
const AGAIN: Duration = Duration::from_secs(5);

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A connect of the pool.
    Connect,
    /// A caller got no connection.
    Acquire,
    /// A health check.
    Health,
    /// A connect of a listener.
    Listener,
    /// A failed call was not tried again, because the retry budget was spent.
    Retry,
}

impl Trouble {
    /// After this time without another one it is over. A connect may take as long as its limit, so the next failure of a
    /// server that is away may come late; that it is over is known by a connect that succeeds.
    fn quiet(self) -> Duration {
        match self {
            Trouble::Connect | Trouble::Listener | Trouble::Health => Duration::from_secs(300),
            Trouble::Acquire | Trouble::Retry => Duration::from_secs(10),
        }
    }
}

/// Whether a failure is told whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Whole,
    /// It is one of those that are counted.
    Counted,
}

/// Failures that were counted since the last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repetition {
    pub(crate) trouble: Trouble,
    pub(crate) fault: Fault,
    pub(crate) count: u64,
    /// Since the first of them was told whole.
    pub(crate) span: Duration,
    /// What the last one said.
    pub(crate) reason: String,
    pub(crate) is_over: bool,
}

#[derive(Debug)]
struct Series {
    trouble: Trouble,
    fault: Fault,
    /// When one was told whole.
    whole_at: Moment,
    last_at: Moment,
    /// When the count was told, or one whole.
    told_at: Moment,
    count: u64,
    reason: String,
    is_over: bool,
}

impl Series {
    fn take(&mut self, now: Moment) -> Option<Repetition> {
        self.told_at = now;
        let count = std::mem::take(&mut self.count);
        (count > 0).then(|| Repetition {
            trouble: self.trouble,
            fault: self.fault,
            count,
            span: self.last_at.since(self.whole_at),
            reason: std::mem::take(&mut self.reason),
            is_over: self.is_over,
        })
    }
}

/// The failures that go on. There are at most as many as there are kinds and faults.
#[derive(Debug, Default)]
pub(crate) struct Repetitions(Vec<Series>);

impl Repetitions {
    /// One has failed, and says this.
    pub(crate) fn add(&mut self, trouble: Trouble, fault: Fault, reason: &str, now: Moment) -> Telling {
        let known = self.0.iter_mut().find(|series| series.trouble == trouble && series.fault == fault);
        let Some(series) = known else {
            self.0.push(Series {
                trouble,
                fault,
                whole_at: now,
                last_at: now,
                told_at: now,
                count: 0,
                reason: String::new(),
                is_over: false,
            });
            return Telling::Whole;
        };
        let is_new = series.is_over && now.since(series.whole_at) >= AGAIN;
        series.last_at = now;
        series.is_over = false;
        if is_new && series.count == 0 {
            (series.whole_at, series.told_at) = (now, now);
            return Telling::Whole;
        }
        series.count += 1;
        reason.clone_into(&mut series.reason);
        Telling::Counted
    }

    /// This trouble is over: what was counted of it.
    pub(crate) fn end(&mut self, trouble: Trouble, now: Moment) -> Vec<Repetition> {
        let of_it = self.0.iter_mut().filter(|series| series.trouble == trouble && !series.is_over);
        of_it
            .filter_map(|series| {
                series.is_over = true;
                series.take(now)
            })
            .collect()
    }

    /// What is due by now, because it goes on or because nothing more came.
    pub(crate) fn due(&mut self, now: Moment) -> Vec<Repetition> {
        let mut due = Vec::new();
        self.0.retain_mut(|series| {
            let is_quiet = now.since(series.last_at) >= series.trouble.quiet();
            series.is_over |= is_quiet;
            if is_quiet || now.since(series.told_at) >= PERIOD {
                due.extend(series.take(now));
            }
            !is_quiet
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: Duration = Duration::from_secs(1);

    fn counts(told: &[Repetition]) -> Vec<(u64, bool)> {
        told.iter().map(|told| (told.count, told.is_over)).collect()
    }

    #[test]
    fn the_first_is_told_whole_and_the_others_once_a_minute() {
        let mut all = Repetitions::default();
        let start = Moment::now();
        let mut lines = Vec::new();
        for second in 0..150 {
            let now = start + S * second;
            let telling = all.add(Trouble::Connect, Fault::Unreachable, "no route", now);
            assert_eq!(telling == Telling::Whole, second == 0, "{second}");
            lines.extend(all.due(now));
        }
        assert_eq!(counts(&lines), [(60, false), (60, false)]);
        assert_eq!((lines[0].reason.as_str(), lines[0].span), ("no route", 60 * S));
        let end = all.end(Trouble::Connect, start + 150 * S);
        assert_eq!(counts(&end), [(29, true)]);
        assert!(all.end(Trouble::Connect, start + 151 * S).is_empty(), "it is told once that it is over");
    }

    #[test]
    fn each_kind_and_fault_is_told_by_itself() {
        let mut all = Repetitions::default();
        let now = Moment::now();
        for (trouble, fault) in [
            (Trouble::Connect, Fault::Unreachable),
            (Trouble::Connect, Fault::NotAccepting),
            (Trouble::Listener, Fault::Unreachable),
            (Trouble::Acquire, Fault::PoolExhausted),
        ] {
            assert_eq!(all.add(trouble, fault, "", now), Telling::Whole, "{trouble:?} {fault:?}");
            assert_eq!(all.add(trouble, fault, "", now), Telling::Counted, "{trouble:?} {fault:?}");
        }
        assert_eq!(counts(&all.end(Trouble::Connect, now)), [(1, true), (1, true)]);
    }

    #[test]
    fn a_second_outage_is_told_anew_but_not_one_that_comes_and_goes() {
        let mut all = Repetitions::default();
        let start = Moment::now();
        let at = |second: u32, all: &mut Repetitions| {
            let now = start + S * second;
            let telling = all.add(Trouble::Connect, Fault::Unreachable, "", now);
            all.end(Trouble::Connect, now);
            telling
        };
        let told: Vec<_> = (0..12).filter(|second| at(*second, &mut all) == Telling::Whole).collect();
        assert_eq!(told, [0, 5, 10]);
        assert_eq!(at(60, &mut all), Telling::Whole);
    }

    #[test]
    fn what_came_no_more_is_over() {
        let mut all = Repetitions::default();
        let start = Moment::now();
        for _ in 0..20 {
            all.add(Trouble::Acquire, Fault::PoolExhausted, "", start);
        }
        assert!(all.due(start + 9 * S).is_empty());
        assert_eq!(counts(&all.due(start + 10 * S)), [(19, true)]);
        assert!(all.due(start + 100 * S).is_empty());
        let again = all.add(Trouble::Acquire, Fault::PoolExhausted, "", start + 101 * S);
        assert_eq!(again, Telling::Whole);
    }

    proptest! {
        /// Each failure is told whole or counted, exactly once.
        #[test]
        fn none_is_lost_and_none_is_told_twice(steps in prop::collection::vec((0..5_u8, 0..40_u64), 0..200)) {
            let mut all = Repetitions::default();
            let mut now = Moment::now();
            let (mut failures, mut whole, mut counted) = (0, 0, 0);
            for (what, seconds) in steps {
                now = now + Duration::from_secs(seconds);
                let told = match what {
                    0 => all.end(Trouble::Connect, now),
                    1 => all.due(now),
                    _ => {
                        failures += 1;
                        let fault = if what == 2 { Fault::Unreachable } else { Fault::NotAccepting };
                        whole += u64::from(all.add(Trouble::Connect, fault, "", now) == Telling::Whole);
                        Vec::new()
                    }
                };
                counted += told.iter().map(|told| told.count).sum::<u64>();
            }
            counted += all.end(Trouble::Connect, now).iter().map(|told| told.count).sum::<u64>();
            prop_assert_eq!(failures, whole + counted);
        }
    }
}
