//! The totals of a record, which can be kept while the program is not running.

use super::histogram::{BOUNDS, Histogram};
use super::{Counts, Monitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The totals as they are kept. What a newer version has added is zero in the file of an older one, and what this version
/// does not know is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    acquisitions: u64,
    acquisition_failures: u64,
    executed: u64,
    failed: u64,
    timeouts: u64,
    slow: u64,
    kinds_forgotten: u64,
    durations: BTreeMap<String, Times>,
}

/// A histogram as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// The upper ends of its buckets, in seconds: with other ends the counts mean something else.
    bounds: Vec<f64>,
    counts: Vec<u64>,
    sum_nanos: u64,
}

/// The name of the times of statements.
const SERVER: &str = "server";

impl Monitor {
    /// The totals now.
    pub(crate) fn counters(&self) -> Counters {
        let durations = self.histograms().map(|(name, histogram)| (name.to_owned(), histogram.times()));
        let server = Times::of(self.server.snapshot().counts, self.server.sum_nanos());
        let durations = durations.chain([(SERVER.to_owned(), server)]);
        let (acquisitions, acquisition_failures) = {
            let pool = self.pool.lock();
            (pool.acquisitions, pool.failures)
        };
        let statements = self.statements.lock();
        Counters {
            acquisitions,
            acquisition_failures,
            executed: statements.counts.executed,
            failed: statements.counts.failed,
            timeouts: statements.counts.timeouts,
            slow: statements.counts.slow,
            kinds_forgotten: statements.table.left(),
            durations: durations.collect(),
        }
    }

    /// Adds the totals of earlier runs.
    pub(crate) fn add_counters(&self, earlier: &Counters) {
        {
            let mut pool = self.pool.lock();
            pool.acquisitions = pool.acquisitions.saturating_add(earlier.acquisitions);
            pool.failures = pool.failures.saturating_add(earlier.acquisition_failures);
            pool.earlier_failures = earlier.acquisition_failures;
        }
        {
            let mut statements = self.statements.lock();
            let counts = &mut statements.counts;
            counts.executed = counts.executed.saturating_add(earlier.executed);
            counts.failed = counts.failed.saturating_add(earlier.failed);
            counts.timeouts = counts.timeouts.saturating_add(earlier.timeouts);
            counts.slow = counts.slow.saturating_add(earlier.slow);
            statements.earlier = Counts {
                executed: earlier.executed,
                failed: earlier.failed,
                timeouts: earlier.timeouts,
                slow: earlier.slow,
            };
            statements.table.add_left(earlier.kinds_forgotten);
        }
        for (name, histogram) in self.histograms() {
            if let Some(times) = earlier.durations.get(name) {
                histogram.add_times(times);
            }
        }
        if let Some(times) = earlier.durations.get(SERVER).filter(|times| times.fit()) {
            self.server.add_counts(&times.counts, times.sum_nanos);
        }
    }

    fn histograms(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        [("wait", &self.wait), ("connect", &self.connect), ("check", &self.check), ("held", &self.held)]
            .into_iter()
    }
}

impl Times {
    fn of(counts: Vec<u64>, sum_nanos: u64) -> Self {
        Times { bounds: BOUNDS.to_vec(), counts, sum_nanos }
    }

    /// Whether they were counted in the same buckets.
    fn fit(&self) -> bool {
        self.bounds == BOUNDS && self.counts.len() == BOUNDS.len() + 1
    }
}

impl Histogram {
    fn times(&self) -> Times {
        Times::of(self.snapshot().counts, self.sum_nanos())
    }

    /// Adds the times of earlier runs, if they were counted in the same buckets.
    fn add_times(&self, earlier: &Times) {
        if earlier.fit() {
            self.add_counts(&earlier.counts, earlier.sum_nanos);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::record::endings::Ending;
    use crate::record::queries::Execution;
    use std::time::{Duration, SystemTime};

    fn busy() -> Monitor {
        let monitor = Monitor::new(true, 10, Duration::from_millis(5));
        monitor.add_acquisition(Duration::from_millis(3), true);
        monitor.add_acquisition(Duration::from_secs(3), false);
        monitor.held.record(Duration::from_millis(700));
        let took = Duration::from_millis(20);
        let execution = Execution {
            took,
            rows: 1,
            ending: Ending::Failed(Fault::StatementTimeout),
            is_slow: true,
            ended: SystemTime::now(),
        };
        monitor.add_execution(monitor.number(Some("SELECT 1"), None), "SELECT 1", None, &execution);
        monitor
    }

    #[test]
    fn what_is_written_is_added_where_it_is_read() {
        let (earlier, now) = (busy(), busy());
        let text = serde_json::to_string(&earlier.counters()).unwrap();
        now.add_counters(&serde_json::from_str(&text).unwrap());
        let both = now.counters();
        assert_eq!((both.acquisitions, both.acquisition_failures), (4, 2));
        assert_eq!((both.executed, both.failed, both.timeouts, both.slow), (2, 2, 2, 2));
        for (name, count, sum_nanos) in [
            ("wait", 4, 6_006_000_000),
            ("held", 2, 1_400_000_000),
            ("server", 2, 40_000_000),
            ("check", 0, 0),
        ] {
            let times = &both.durations[name];
            assert_eq!((times.counts.iter().sum::<u64>(), times.sum_nanos), (count, sum_nanos), "{name}");
        }
    }

    #[test]
    fn times_in_other_buckets_are_left_out_and_what_is_missing_is_zero() {
        let monitor = busy();
        let before = monitor.counters();
        let strange =
            r#"{"executed":7,"new":1,"durations":{"wait":{"bounds":[1.0],"counts":[2,3],"sum_nanos":9}}}"#;
        monitor.add_counters(&serde_json::from_str(strange).unwrap());
        let after = monitor.counters();
        assert_eq!((after.executed, after.acquisitions), (before.executed + 7, before.acquisitions));
        assert_eq!(after.durations, before.durations);
    }

    #[test]
    fn a_total_without_end_stays_at_its_largest_value() {
        let monitor = busy();
        monitor.add_counters(&Counters { executed: u64::MAX, acquisitions: u64::MAX, ..Counters::default() });
        assert_eq!((monitor.counters().executed, monitor.counters().acquisitions), (u64::MAX, u64::MAX));
    }
}
