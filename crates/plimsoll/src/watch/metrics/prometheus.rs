//! The text that Prometheus scrapes, in its text format 0.0.4.

use super::definition::{Metric, MetricKind, POOL, Point, Value};
use crate::monitor::HistogramSnapshot;
use std::fmt::Write;

/// The pools by their names, each with its points of this metric; a family stands in the text once, however many pools
/// there are.
pub(super) fn family(text: &mut String, metric: &Metric, pools: &[(&str, Vec<Point>)]) {
    if pools.iter().all(|(_, points)| points.is_empty()) {
        return;
    }
    let name = metric.prometheus_name();
    let kind = match metric.kind {
        MetricKind::Counter => "counter",
        MetricKind::UpDownCounter | MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let _ = writeln!(text, "# HELP {name} {}", escaped(metric.help, false));
    let _ = writeln!(text, "# TYPE {name} {kind}");
    if name.ends_with("_seconds") {
        let _ = writeln!(text, "# UNIT {name} seconds");
    }
    for (pool, points) in pools {
        for point in points {
            series(text, &name, &labels(metric, pool, point), &point.value);
        }
    }
}

fn series(text: &mut String, name: &str, labels: &str, value: &Value) {
    let _ = match value {
        Value::Count(count) => writeln!(text, "{name}{{{labels}}} {count}"),
        Value::Level(level) => writeln!(text, "{name}{{{labels}}} {level}"),
        Value::Times(times) => {
            buckets(text, name, labels, times);
            return;
        }
    };
}

/// The buckets of a histogram are cumulative here: each holds all times up to its end.
fn buckets(text: &mut String, name: &str, labels: &str, times: &HistogramSnapshot) {
    let ends = times.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    let mut sum = 0_u64;
    for (end, count) in ends.zip(&times.counts) {
        sum += count;
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{end}\"}} {sum}");
    }
    let _ = writeln!(text, "{name}_sum{{{labels}}} {}", times.sum_seconds);
    let _ = writeln!(text, "{name}_count{{{labels}}} {}", times.count);
}

/// A label whose value is the empty text is the same as none.
fn labels(metric: &Metric, pool: &str, point: &Point) -> String {
    let mut text = format!("{POOL}=\"{}\"", escaped(pool, true));
    let named = metric.labels.iter().zip(&point.labels).filter(|(_, value)| !value.is_empty());
    for (label, value) in named {
        let _ = write!(text, ",{}=\"{}\"", label.name.replace('.', "_"), escaped(value, true));
    }
    text
}

fn escaped(text: &str, is_quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if is_quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::histogram::Histogram;
    use crate::watch::metrics::table::conventions::{CONNECTION_USE_TIME, OPERATION_DURATION};
    use crate::watch::metrics::table::own::GAVE_UP;
    use std::time::Duration;

    #[test]
    fn buckets_are_cumulative_and_agree_with_the_count() {
        let histogram = Histogram::default();
        [1, 4, 40, 700, 20_000].into_iter().for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let mut text = String::new();
        let point = Point { labels: Vec::new(), value: Value::Times(histogram.snapshot()) };
        family(&mut text, &CONNECTION_USE_TIME, &[("a", vec![point])]);
        let name = "db_client_connection_use_time_seconds";
        for line in [
            format!("# TYPE {name} histogram"),
            format!("# UNIT {name} seconds"),
            format!("{name}_bucket{{pool=\"a\",le=\"0.001\"}} 1"),
            format!("{name}_bucket{{pool=\"a\",le=\"0.005\"}} 2"),
            format!("{name}_bucket{{pool=\"a\",le=\"0.5\"}} 3"),
            format!("{name}_bucket{{pool=\"a\",le=\"10\"}} 4"),
            format!("{name}_bucket{{pool=\"a\",le=\"+Inf\"}} 5"),
            format!("{name}_sum{{pool=\"a\"}} 20.745"),
            format!("{name}_count{{pool=\"a\"}} 5"),
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_name_is_escaped_and_an_empty_label_is_left_out() {
        let mut text = String::new();
        let point = Point { labels: vec!["dropped"], value: Value::Count(3) };
        family(&mut text, &GAVE_UP, &[("a\"b\\c\nd", vec![point])]);
        let line = r#"plimsoll_acquire_given_up_total{pool="a\"b\\c\nd",reason="dropped"} 3"#;
        assert!(text.lines().any(|written| written == line), "{text}");
        let times = Value::Times(Histogram::default().snapshot());
        let point = Point { labels: vec!["postgresql", ""], value: times };
        let mut text = String::new();
        family(&mut text, &OPERATION_DURATION, &[("a", vec![point]), ("b", Vec::new())]);
        assert!(text.contains("_count{pool=\"a\",db_system_name=\"postgresql\"} 0"), "{text}");
        assert_eq!(text.matches("# HELP").count(), 1);
    }
}
