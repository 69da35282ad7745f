//! What became of the calls of one drill, and the figures that are taken from them.
//!
//! All times are told from the beginning of the drill, on one clock. A call counts in a window by the moment at which
//! it was made, never by the one at which it was answered: otherwise a library that answers nobody for ten seconds
//! would have no bad figure in those ten seconds.

use crate::race::quantile;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub called: Duration,
    pub answered: Duration,
    /// In a word or two, for a tally.
    pub failure: Option<&'static str>,
}

/// When the server stood still.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Every process was seen to be stopped.
    pub frozen: Duration,
    /// The first process was about to be woken.
    pub thawed: Duration,
    /// The last call was made.
    pub ended: Duration,
}

/// The figures of one drill; times in milliseconds.
#[derive(Clone, Debug)]
pub struct Findings {
    pub calls: usize,
    pub p50: f64,
    pub p99: f64,
    pub most_in_flight: f64,
    /// From the thaw to the first success of a call made after it.
    pub first_success: f64,
    /// The same of any call, of one that was waiting already too.
    pub first_success_of_any: f64,
    /// From the thaw to the last failure of a call made after it.
    pub last_failure: f64,
    /// The same of any call.
    pub last_failure_of_any: f64,
    pub failures: BTreeMap<&'static str, usize>,
    /// By how much one call in a hundred was made later than its schedule said.
    pub late: f64,
}

/// Until a library has taken notice; calls of this time are in no percentile.
pub const NOTICE: Duration = Duration::from_secs(1);

impl Findings {
    /// Takes the figures. Where nothing succeeded after the thaw, the whole time that was watched stands for a time
    /// that is longer still.
    pub fn of(samples: &[Sample], marks: Marks, late: f64) -> Self {
        let Marks { frozen, thawed, ended } = marks;
        let waits = waits(samples, frozen + NOTICE..thawed);
        let never = since(thawed, ended);
        let later = samples.iter().filter(|sample| sample.called >= thawed);
        let mut failures = BTreeMap::new();
        for failure in samples.iter().filter_map(|sample| sample.failure) {
            *failures.entry(failure).or_default() += 1;
        }
        Findings {
            calls: samples.len(),
            p50: quantile(&waits, 0.5),
            p99: quantile(&waits, 0.99),
            most_in_flight: most_in_flight(samples, frozen..thawed) as f64,
            first_success: first_success(later.clone(), thawed).unwrap_or(never),
            first_success_of_any: first_success(samples.iter(), thawed).unwrap_or(never),
            last_failure: last_failure(later, thawed),
            last_failure_of_any: last_failure(samples.iter(), thawed),
            failures,
            late,
        }
    }

    pub fn failed(&self) -> f64 {
        self.failures.values().sum::<usize>() as f64
    }
}

/// Milliseconds to the answer, whatever it was, of the calls that were made in this window.
fn waits(samples: &[Sample], window: Range<Duration>) -> Vec<f64> {
    let called_then = samples.iter().filter(|sample| window.contains(&sample.called));
    called_then.map(|sample| since(sample.called, sample.answered)).collect()
}

/// The most calls that were made and not yet answered at any one moment of this window.
fn most_in_flight(samples: &[Sample], window: Range<Duration>) -> usize {
    let mut changes: Vec<(Duration, isize)> = samples
        .iter()
        .filter(|sample| sample.called < window.end && sample.answered > window.start)
        .flat_map(|sample| [(sample.called, 1), (sample.answered, -1)])
        .collect();
    // At one and the same moment the answer comes first.
    changes.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (at, change) in changes {
        if at >= window.end {
            break;
        }
        // Until the window opens, calls only gather; those that were answered by then are not in the list.
        now += change;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or_default()
}

fn first_success<'a>(samples: impl Iterator<Item = &'a Sample>, from: Duration) -> Option<f64> {
    let successes = samples.filter(|sample| sample.failure.is_none() && sample.answered >= from);
    successes.map(|sample| sample.answered).min().map(|at| since(from, at))
}

/// Zero where none failed.
fn last_failure<'a>(samples: impl Iterator<Item = &'a Sample>, from: Duration) -> f64 {
    let failures = samples.filter(|sample| sample.failure.is_some() && sample.answered >= from);
    failures.map(|sample| sample.answered).max().map_or(0.0, |at| since(from, at))
}

fn since(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn call(called: u64, answered: u64, failure: Option<&'static str>) -> Sample {
        Sample { called: ms(called), answered: ms(answered), failure }
    }

    const MARKS: Marks = Marks {
        frozen: Duration::from_millis(2000),
        thawed: Duration::from_millis(12_000),
        ended: Duration::from_millis(20_000),
    };

    #[test]
    fn a_call_counts_by_the_moment_at_which_it_was_made() {
        let samples = [
            call(1000, 1001, None),
            call(2500, 4500, Some("deadline")), // within the second of notice
            call(3000, 3010, Some("refused")),
            call(5000, 5020, Some("refused")),
            call(11_999, 12_030, None), // answered after the thaw
            call(12_000, 12_900, None),
        ];
        let findings = Findings::of(&samples, MARKS, 0.0);
        assert_eq!(waits(&samples, ms(3000)..ms(12_000)), [10.0, 20.0, 31.0]);
        assert_eq!(findings.p50, 20.0);
        assert!((findings.p99 - 30.78).abs() < 1e-9, "{}", findings.p99);
        assert_eq!((findings.calls, findings.failed()), (6, 3.0));
        assert_eq!(findings.failures, BTreeMap::from([("deadline", 1), ("refused", 2)]));
    }

    #[test]
    fn after_the_thaw_calls_of_before_are_told_apart() {
        let samples = [
            call(11_000, 12_005, None),
            call(11_500, 13_500, Some("deadline")),
            call(12_100, 12_150, Some("refused")),
            call(12_200, 12_240, None),
            call(12_210, 12_230, None), // made later, answered sooner
        ];
        let findings = Findings::of(&samples, MARKS, 0.0);
        assert_eq!((findings.first_success, findings.first_success_of_any), (230.0, 5.0));
        assert_eq!((findings.last_failure, findings.last_failure_of_any), (150.0, 1500.0));
    }

    #[test]
    fn what_never_came_back_is_as_late_as_the_end_and_what_never_failed_is_zero() {
        let lost = Findings::of(&[call(13_000, 15_000, Some("deadline"))], MARKS, 0.0);
        assert_eq!((lost.first_success, lost.last_failure), (8000.0, 3000.0));
        let well = Findings::of(&[call(13_000, 13_500, None)], MARKS, 0.0);
        assert_eq!((well.first_success, well.last_failure), (1500.0, 0.0));
    }

    #[test]
    fn in_flight_are_calls_that_overlap_within_the_window() {
        let samples = [
            call(0, 10, None), // all three together, before the window
            call(1, 9, None),
            call(2, 35, None), // still there when it opens
            call(20, 30, None),
            call(30, 40, None), // begins as the one before ends
            call(50, 60, None), // as the window closes
            call(31, 99, None),
        ];
        assert_eq!(most_in_flight(&samples, ms(15)..ms(50)), 3);
        assert_eq!(most_in_flight(&samples, ms(5)..ms(50)), 3);
        assert_eq!(most_in_flight(&samples, ms(41)..ms(50)), 1);
        assert_eq!(most_in_flight(&[], ms(0)..ms(50)), 0);
    }
}
