//! What a metric is: everything that is known of it before it is measured, and how it is read.
//!
//! Whatever is made of metrics (text for Prometheus, OTLP, the `metrics` facade, `docs/metrics.md`, alert rules, a board for
//! Grafana) is made of these definitions, so a rule cannot ask for a metric or a label that does not exist.
//!
//! A value of a label is a `&'static str`, except the name of the pool: no text of a statement, no tenant and no name of
//! work can become a label, and the number of series is bounded.

use super::reading::Reading;
use crate::monitor::HistogramSnapshot;

/// A metric.
pub struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) unit: Unit,
    pub(super) labels: &'static [Label],
    pub(super) help: &'static str,
    pub(super) target: Option<Target>,
    pub(super) origin: Origin,
    pub(super) read: fn(&Reading<'_>) -> Vec<Point>,
}

impl std::fmt::Debug for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It counts since the pool was opened, and never shrinks.
    Counter,
    /// It goes up and down, and may be summed over pools and instances.
    UpDownCounter,
    /// It goes up and down.
    Gauge,
    /// Times, in the buckets of OpenTelemetry's `db.client.operation.duration`.
    Histogram,
}

/// In what a metric is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Percent,
    /// Between 0 and 1.
    Ratio,
    /// Seconds since 1970.
    Timestamp,
    /// Of these things, in the singular.
    Each(&'static str),
}

/// A label and its values.
pub(crate) struct Label {
    pub(super) name: &'static str,
    /// Every value that it can have.
    pub(super) values: fn() -> Vec<&'static str>,
    /// Whether there is a series for each value from the start. Otherwise a series appears with its first event.
    pub(super) is_always_there: bool,
}

/// What the documents ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    Below(f64),
    Zero,
    /// There is no bound: its course is watched.
    Trend,
}

/// Where a name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A stable convention of OpenTelemetry.
    Stable,
    /// A convention of OpenTelemetry that is still in development: the name may change there, and then here.
    Development,
    /// A name that operators' documents have for it, with a target.
    Documents,
    /// This library's own.
    Own,
}

/// One series of a metric at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// In the order in which the metric declares its labels.
    pub(super) labels: Vec<&'static str>,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Count(u64),
    Level(f64),
    Times(HistogramSnapshot),
}

impl Metric {
    pub(super) const fn counter(name: &'static str, of: &'static str, read: Read) -> Self {
        Metric::new(name, MetricKind::Counter, Unit::Each(of), read)
    }

    pub(super) const fn up_down(name: &'static str, of: &'static str, read: Read) -> Self {
        Metric::new(name, MetricKind::UpDownCounter, Unit::Each(of), read)
    }

    pub(super) const fn gauge(name: &'static str, unit: Unit, read: Read) -> Self {
        Metric::new(name, MetricKind::Gauge, unit, read)
    }

    pub(super) const fn histogram(name: &'static str, read: Read) -> Self {
        Metric::new(name, MetricKind::Histogram, Unit::Seconds, read)
    }

    const fn new(name: &'static str, kind: MetricKind, unit: Unit, read: Read) -> Self {
        Metric { name, kind, unit, labels: &[], help: "", target: None, origin: Origin::Own, read }
    }

    pub(super) const fn of(self, origin: Origin) -> Self {
        Metric { origin, ..self }
    }

    pub(super) const fn labelled(self, labels: &'static [Label]) -> Self {
        Metric { labels, ..self }
    }

    pub(super) const fn target(self, target: Target) -> Self {
        Metric { target: Some(target), origin: Origin::Documents, ..self }
    }

    pub(super) const fn explained(self, help: &'static str) -> Self {
        Metric { help, ..self }
    }
}

type Read = fn(&Reading<'_>) -> Vec<Point>;

impl Metric {
    /// Its name as OpenTelemetry writes names: `db.client.connection.count`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it behaves.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        self.kind
    }

    /// What it says, in a sentence or two.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Its name as Prometheus writes names, with the unit and `_total` where they belong:
    /// `db_client_operation_duration_seconds`. The `metrics` facade has the same name.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if let (Some(unit), false) = (self.unit.suffix(), name.ends_with("_seconds")) {
            name.push('_');
            name.push_str(unit);
        }
        if self.kind == MetricKind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// The names of its labels as Prometheus writes them; `pool` is one of each metric's.
    #[must_use]
    pub fn label_names(&self) -> Vec<String> {
        let own = self.labels.iter().map(|label| label.name.replace('.', "_"));
        [POOL.to_owned()].into_iter().chain(own).collect()
    }

    /// Every value that this label can have; none if it has no such label. The names of pools are the program's own.
    #[must_use]
    pub fn label_values(&self, label: &str) -> Vec<&'static str> {
        let known = self.labels.iter().find(|known| known.name.replace('.', "_") == label);
        known.map(|known| (known.values)()).unwrap_or_default()
    }

    /// Whether every series of it exists from the opening of the pool on. Otherwise one appears with its first event or
    /// sample, and what asks how much it has grown does not see that.
    #[must_use]
    pub fn is_always_there(&self) -> bool {
        self.labels.iter().all(|label| label.is_always_there)
    }
}

/// The label that each series has.
pub(super) const POOL: &str = "pool";

impl Unit {
    /// What Prometheus wants at the end of a name.
    fn suffix(self) -> Option<&'static str> {
        matches!(self, Unit::Seconds).then_some("seconds")
    }

    /// In UCUM, as OpenTelemetry writes units.
    #[cfg(feature = "otlp")]
    pub(super) fn ucum(self) -> String {
        match self {
            Unit::Seconds | Unit::Timestamp => "s".to_owned(),
            Unit::Milliseconds => "ms".to_owned(),
            Unit::Percent => "%".to_owned(),
            Unit::Ratio => "1".to_owned(),
            Unit::Each(of) => format!("{{{of}}}"),
        }
    }

    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Unit::Seconds => "seconds".to_owned(),
            Unit::Milliseconds => "milliseconds".to_owned(),
            Unit::Percent => "per cent".to_owned(),
            Unit::Ratio => "a share between 0 and 1".to_owned(),
            Unit::Timestamp => "seconds since 1970".to_owned(),
            Unit::Each(of) => format!("each {of}"),
        }
    }
}

/// One series without labels of its own.
fn one(value: Value) -> Vec<Point> {
    vec![Point { labels: Vec::new(), value }]
}

pub(super) fn count(count: u64) -> Vec<Point> {
    one(Value::Count(count))
}

pub(super) fn level(level: impl Into<f64>) -> Vec<Point> {
    one(Value::Level(level.into()))
}

/// A level that may not be known; then there is no series.
pub(super) fn perhaps(level: Option<f64>) -> Vec<Point> {
    level.map(|level| one(Value::Level(level))).unwrap_or_default()
}

pub(super) fn size(size: usize) -> Vec<Point> {
    level(size as f64)
}

pub(super) fn times(times: HistogramSnapshot) -> Vec<Point> {
    one(Value::Times(times))
}

/// A series for each value of a label.
pub(super) fn counts_by(counts: impl Iterator<Item = (&'static str, u64)>) -> Vec<Point> {
    counts.map(|(word, count)| Point { labels: vec![word], value: Value::Count(count) }).collect()
}
