//! `docs/metrics.md`, made from the table of metrics and that of alerts.
//!
//! A test compares the page with the one in the repository, and writes it if it is told to (`PLIMSOLL_BLESS=1`).

use super::alerts::{Alert, alerts};
use super::definition::{Metric, MetricKind, Origin, Target, Unit};
use super::table::metrics;
use std::fmt::Write;

const HEAD: &str = "\
<!-- Made from crates/plimsoll/src/watch/metrics/table and alerts/table.rs; written by `make docs`. -->

# Metrics

Everything here is read from one table at one moment, when it is asked for, and costs calls nothing. Counters and histograms
begin at zero when the pool is opened and never shrink; totals that are kept over a restart (`monitor_counters`) have no
part in them, since a monitoring system adds up restarts itself. While `monitoring` is off, what is made of acquisitions and
statements stands still; the pool's own numbers, the breaker's and the events go on.

Each series has the label `pool`: the setting `pool_name`. Every other label has the values that are listed here and no
others. No name of work, no tenant and no text of a statement is a label; `Database::snapshot` tells those.

## Three ways out

- **Prometheus**: `db.monitor().prometheus()`, or `monitor::prometheus` for several pools, gives the text that a scrape of
  your service answers. It has everything, histograms included.
- **The `metrics` facade** (the feature `metrics`): counters and gauges go to the recorder that your program installs, once a
  second, under the names that Prometheus has: so also to StatsD. Histograms do not.
- **OTLP** (the feature `otlp`): `db.monitor().otlp()`, or `monitor::otlp`, gives the bytes of one request to a collector,
  under the first of the two names. The label `pool` is the attribute `db.client.connection.pool.name` there.

Rules for Prometheus are in [monitoring/plimsoll.rules.yml](monitoring/plimsoll.rules.yml), a board for Grafana is in
[monitoring/grafana.json](monitoring/grafana.json), and what to do about an alert is in
[runbooks/database-issues.md](runbooks/database-issues.md).
";

const FIGURES: &str = "
## Figures with targets

These have the names and the targets that operators' documents give them.

| figure | target | in Prometheus | what it says |
|---|---|---|---|
";

const CONVENTIONS: &str = "
## What OpenTelemetry names

`db.client.operation.duration` is stable. The family `db.client.connection.*` is in development in OpenTelemetry: names may
change there, and then here. The upper ends of all buckets are, in seconds: 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5 and
10.

";

const OWN: &str = "
## What else there is

";

const TABLE: &str = "\
| metric | in Prometheus | kind | unit | labels | what it says |
|---|---|---|---|---|---|
";

const ALERTS: &str = "
## Alerts

They are made of these definitions, so they ask only for what exists. `for` says how long the condition must hold.

| alert | severity | condition | for |
|---|---|---|---|
";

/// The text of `docs/metrics.md`.
#[must_use]
pub fn metrics_reference() -> String {
    let mut text = HEAD.to_owned();
    text.push_str(FIGURES);
    text.extend(of(&[Origin::Documents]).map(figure));
    text.push_str(CONVENTIONS);
    text.push_str(TABLE);
    text.extend(of(&[Origin::Stable, Origin::Development]).map(row));
    text.push_str(OWN);
    text.push_str(TABLE);
    text.extend(of(&[Origin::Own]).map(row));
    text.push_str(&values());
    text.push_str(ALERTS);
    text.extend(alerts().iter().map(alert));
    text
}

fn of(origins: &[Origin]) -> impl Iterator<Item = &'static Metric> {
    metrics().filter(|metric| origins.contains(&metric.origin))
}

fn figure(metric: &Metric) -> String {
    let target = match (metric.target, metric.unit) {
        (Some(Target::Below(bound)), Unit::Percent) => format!("below {bound} %"),
        (Some(Target::Below(bound)), Unit::Milliseconds) => format!("below {bound} ms"),
        (Some(Target::Below(bound)), Unit::Ratio) => format!("below {bound} ({} %)", 100.0 * bound),
        (Some(Target::Below(bound)), _) => format!("below {bound}"),
        (Some(Target::Zero), _) => "0".to_owned(),
        (Some(Target::Trend) | None, _) => "its trend is watched".to_owned(),
    };
    format!("| `{}` | {target} | `{}` | {} |\n", metric.name, metric.prometheus_name(), metric.help)
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::UpDownCounter => "up-down counter (a gauge in Prometheus)",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let labels = metric.label_names().split_off(1);
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!(
        "| `{}` | `{}` | {kind} | {} | {} | {} |\n",
        metric.name,
        metric.prometheus_name(),
        metric.unit.words(),
        labels.join(", "),
        metric.help
    )
}

/// The values of the labels.
fn values() -> String {
    let mut text = "\n### Values of labels\n\n".to_owned();
    for metric in metrics() {
        for label in metric.labels.iter().filter(|label| !matches!(label.name, "code" | "error.type")) {
            let values: Vec<String> = (label.values)().iter().map(|value| format!("`{value}`")).collect();
            let name = label.name.replace('.', "_");
            let _ = writeln!(text, "- `{name}` of `{}`: {}", metric.prometheus_name(), values.join(", "));
        }
    }
    text.push_str(
        "- `code` and `error_type`: the codes of [errors.md](errors.md); `error_type` also `dropped` and `_OTHER`. Such a \
         series\n  appears with its first event.\n",
    );
    text
}

fn alert(alert: &Alert) -> String {
    format!(
        "| [{}](runbooks/database-issues.md#{}) | {} | `{}` | {} |\n",
        alert.name(),
        alert.anchor(),
        alert.severity(),
        alert.expression(),
        alert.lasting().unwrap_or("at once")
    )
}
