//! How long statements took, by how they ended.

use super::histogram::{Histogram, HistogramSnapshot};
use crate::fault::Fault;
use std::time::Duration;

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    Failed(Fault),
    /// It failed outside this library, which was told of it and not why.
    FailedElsewhere,
    /// Its caller dropped it before it ended.
    Dropped,
}

impl Ending {
    const COUNT: usize = 3 + Fault::ALL.len();

    fn all() -> impl Iterator<Item = Ending> {
        let failed = Fault::ALL.into_iter().map(Ending::Failed);
        [Ending::Answered, Ending::FailedElsewhere, Ending::Dropped].into_iter().chain(failed)
    }

    fn place(self) -> usize {
        match self {
            Ending::Answered => 0,
            Ending::FailedElsewhere => 1,
            Ending::Dropped => 2,
            Ending::Failed(fault) => 3 + fault as usize,
        }
    }

    /// Whether it failed, was stopped or was given up.
    pub(crate) fn is_failed(self) -> bool {
        self != Ending::Answered
    }

    /// Whether a limit on time ended it.
    pub(crate) fn is_timeout(self) -> bool {
        let Ending::Failed(fault) = self else { return false };
        matches!(fault, Fault::StatementTimeout | Fault::TransactionTimeout | Fault::DeadlinePassed)
    }

    /// OpenTelemetry's `error.type`: the fault's code, `dropped`, or `_OTHER`; nothing for an answer.
    pub(crate) fn error_type(self) -> Option<&'static str> {
        match self {
            Ending::Answered => None,
            Ending::Failed(fault) => Some(fault.code()),
            Ending::FailedElsewhere => Some("_OTHER"),
            Ending::Dropped => Some("dropped"),
        }
    }

    /// Every value of [`Ending::error_type`].
    pub(crate) fn error_types() -> Vec<&'static str> {
        Ending::all().filter_map(Ending::error_type).collect()
    }
}

/// A histogram for each ending.
#[derive(Debug)]
pub(crate) struct Endings([Histogram; Ending::COUNT]);

impl Default for Endings {
    fn default() -> Self {
        Endings(std::array::from_fn(|_| Histogram::default()))
    }
}

impl Endings {
    pub(crate) fn record(&self, took: Duration, ending: Ending) {
        if let Some(histogram) = self.0.get(ending.place()) {
            histogram.record(took);
        }
    }

    /// All together, with the times of earlier runs.
    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        self.0.iter().map(Histogram::snapshot).reduce(HistogramSnapshot::with).unwrap_or_else(empty)
    }

    /// The sum of all times, in nanoseconds.
    pub(crate) fn sum_nanos(&self) -> u64 {
        self.0.iter().map(Histogram::sum_nanos).fold(0, u64::saturating_add)
    }

    /// Adds the times of earlier runs, of which it is not known how they ended.
    pub(crate) fn add_counts(&self, counts: &[u64], sum_nanos: u64) {
        if let Some(histogram) = self.0.first() {
            histogram.add_counts(counts, sum_nanos);
        }
    }

    /// The times since the start by their ending: those of answers, and those of each ending that has occurred.
    pub(crate) fn each(&self) -> Vec<(Ending, HistogramSnapshot)> {
        let all =
            Ending::all().filter_map(|ending| Some((ending, self.0.get(ending.place())?.since_start())));
        all.filter(|(ending, times)| times.count > 0 || *ending == Ending::Answered).collect()
    }
}

fn empty() -> HistogramSnapshot {
    Histogram::default().snapshot()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_ending_has_a_histogram_of_its_own() {
        let places: BTreeSet<_> = Ending::all().map(Ending::place).collect();
        assert_eq!(places, (0..Ending::COUNT).collect());
        let types: BTreeSet<_> = Ending::error_types().into_iter().collect();
        assert_eq!(types.len(), Ending::COUNT - 1, "every ending but an answer has a type of its own");
    }

    #[test]
    fn times_are_kept_by_their_ending_and_those_of_earlier_runs_are_in_none() {
        let endings = Endings::default();
        let ms = Duration::from_millis;
        endings.record(ms(2), Ending::Answered);
        endings.record(ms(3), Ending::Failed(Fault::Data));
        endings.record(ms(4), Ending::Dropped);
        endings.add_counts(&[0, 5, 0, 0, 0, 0, 0, 0, 0, 0], 1_000_000);
        let each: Vec<_> = endings.each().into_iter().map(|(ending, times)| (ending, times.count)).collect();
        assert_eq!(each, [(Ending::Answered, 1), (Ending::Dropped, 1), (Ending::Failed(Fault::Data), 1)]);
        assert_eq!((endings.snapshot().count, endings.sum_nanos()), (8, 10_000_000));
        assert!((endings.snapshot().sum_seconds - 0.010).abs() < 1e-9);
    }
}
