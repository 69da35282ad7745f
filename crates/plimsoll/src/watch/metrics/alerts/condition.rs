//! When a rule fires, as an expression of PromQL that is put together from definitions of metrics.

use crate::watch::metrics::definition::Metric;
use std::fmt;

/// A condition.
pub(in crate::watch::metrics) enum Condition {
    /// A level is above this.
    Above(&'static Metric, u32),
    /// Of a metric with states, this one is the present one; the labels with their values.
    Is(&'static Metric, &'static [(&'static str, &'static str)]),
    /// A counter has grown by more than this in so long.
    Grown(&'static Metric, &'static str, u32),
    /// The mean of a histogram of seconds was above so many milliseconds over so long. Where there was no sample there is
    /// no mean.
    MeanAboveMs(&'static Metric, &'static str, u32),
    /// A counter has grown in so long, and this level is 0 again.
    GrownAndOver(&'static Metric, &'static str, &'static Metric),
    /// A point in time is at most so many seconds ago.
    Within(&'static Metric, u32),
}

impl Condition {
    pub(super) fn metrics(&self) -> Vec<&'static Metric> {
        match self {
            Condition::Above(metric, _)
            | Condition::Is(metric, _)
            | Condition::Grown(metric, ..)
            | Condition::MeanAboveMs(metric, ..)
            | Condition::Within(metric, _) => vec![metric],
            Condition::GrownAndOver(counter, _, level) => vec![counter, level],
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Above(metric, bound) => write!(f, "{} > {bound}", metric.prometheus_name()),
            Condition::Is(metric, labels) => {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
                write!(f, "{}{{{}}} == 1", metric.prometheus_name(), labels.join(","))
            }
            Condition::Grown(metric, span, bound) => {
                write!(f, "increase({}[{span}]) > {bound}", metric.prometheus_name())
            }
            Condition::MeanAboveMs(metric, span, bound) => {
                let name = metric.prometheus_name();
                write!(f, "1000 * rate({name}_sum[{span}]) / rate({name}_count[{span}]) > {bound}")
            }
            Condition::GrownAndOver(counter, span, level) => write!(
                f,
                "increase({}[{span}]) > 0 and {} == 0",
                counter.prometheus_name(),
                level.prometheus_name()
            ),
            Condition::Within(metric, seconds) => {
                write!(f, "time() - {} < {seconds}", metric.prometheus_name())
            }
        }
    }
}
