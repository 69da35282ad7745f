//! Figures as OpenMetrics, to be scraped or put into the folder of node_exporter's textfile collector.
//!
//! All are gauges: they are the figures of one run, which is over. The text is the same in Prometheus' own format, but for its last
//! line, which that takes for a comment.

use super::figures::Report;
use super::tally::Percentiles;
use anyhow::{Context, Result};
use std::fmt::{self, Write};
use std::path::Path;

/// Families of gauges, in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct Metrics(String);

impl Metrics {
    /// A family: its name, what it tells, and a value for each set of labels.
    pub(super) fn family<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        let _ = writeln!(self.0, "# TYPE {name} gauge\n# HELP {name} {help}");
        for (labels, value) in values {
            let labels: Vec<String> =
                labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{name}{labels} {}", (value * 1e9).round() / 1e9);
        }
    }

    /// Writes the file at once: a scrape in between sees the old one or the new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let written = std::fs::write(&part, self.to_string()).and_then(|()| std::fs::rename(&part, path));
        written.with_context(|| format!("{} cannot be written", path.display()))
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}# EOF", self.0)
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The figures of a load.
pub(super) fn of(report: &Report) -> Metrics {
    let mut metrics = Metrics::default();
    let one = |value: f64| [(Vec::new(), value)];
    metrics.family("plimsoll_load_wanted_rate", "Calls a second that were due.", one(report.load.rate));
    let throughput = report.spread.throughput;
    let values = [("middle", throughput.middle), ("least", throughput.least), ("most", throughput.most)];
    let values = values.map(|(round, value)| (vec![("round", round)], value));
    metrics.family(
        "plimsoll_load_throughput",
        "Calls a second that were answered well within a round.",
        values,
    );
    let counts = &report.counts;
    let results = [
        ("answered", counts.answered),
        ("timed_out", counts.timed_out),
        ("refused", counts.refused),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
    ];
    let results = results.map(|(result, count)| (vec![("result", result)], count as f64));
    metrics.family("plimsoll_load_calls", "Calls of the run by what became of them.", results);
    let kinds = report.kinds.iter().map(|(kind, count)| (vec![("kind", kind.as_str())], *count as f64));
    metrics.family("plimsoll_load_failures", "Calls that did not end well, by what came instead.", kinds);
    let times = report.targets.iter().flat_map(|target| quantiles(&target.name, &target.times_ms));
    metrics.family(
        "plimsoll_load_seconds",
        "Time of a call since it was due, by target and quantile.",
        times,
    );
    let rounds = report.spread.times().into_iter().zip(QUANTILES).flat_map(|((_, spread), quantile)| {
        let of = |round, value: f64| (vec![("quantile", quantile), ("round", round)], value / 1_000.0);
        [of("middle", spread.middle), of("least", spread.least), of("most", spread.most)]
    });
    metrics.family("plimsoll_load_round_seconds", "Time of a call since it was due: of rounds.", rounds);
    metrics.family(
        "plimsoll_load_partial",
        "1 if the run was interrupted.",
        one(f64::from(u8::from(report.is_partial))),
    );
    if let Some(against) = &report.against {
        let regressions = against.regressions().len() as f64;
        metrics.family(
            "plimsoll_load_regressions",
            "Figures that are worse than the baseline.",
            one(regressions),
        );
    }
    metrics
}

/// Those that are told, the last of which is the longest time.
const QUANTILES: [&str; 5] = ["0.5", "0.9", "0.99", "0.999", "1"];

fn quantiles<'a>(target: &'a str, times: &Percentiles) -> Vec<(Vec<(&'a str, &'a str)>, f64)> {
    let Percentiles { p50, p90, p99, p999, max, .. } = *times;
    let values = QUANTILES.into_iter().zip([p50, p90, p99, p999, max]);
    values
        .map(|(quantile, value)| (vec![("target", target), ("quantile", quantile)], value / 1_000.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_kept;
    use crate::load::example;

    #[test]
    fn the_text_is_what_it_was() {
        let mut report = example::http();
        report.targets[0].name = "GET /a?\"b\"\\".to_owned();
        is_kept("load.openmetrics", &of(&report).to_string());
    }
}
