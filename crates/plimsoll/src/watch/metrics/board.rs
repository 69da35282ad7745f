//! A board for Grafana, made of the definitions of metrics: a row for each origin of names, a panel for each metric.

use super::definition::{Metric, MetricKind, Origin, Target, Unit};
use super::table::metrics;
use serde_json::{Value, json};

/// Panels beside each other, and the height of one, in units of Grafana's grid of 24 columns.
const ACROSS: usize = 3;
const HEIGHT: usize = 8;

/// The board in Grafana's JSON, to be imported. It asks for the data source and the pools itself.
#[must_use]
pub fn grafana_board() -> String {
    let rows = [
        ("Figures with targets", vec![Origin::Documents]),
        ("OpenTelemetry: operations and connections", vec![Origin::Stable, Origin::Development]),
        ("Plimsoll", vec![Origin::Own]),
    ];
    let mut panels = Vec::new();
    let mut y = 0;
    for (title, origins) in rows {
        let id = panels.len() + 1;
        panels.push(json!({
            "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 },
        }));
        y += 1;
        let of_row = metrics().filter(|metric| origins.contains(&metric.origin));
        let mut count = 0;
        for (place, metric) in of_row.enumerate() {
            let width = 24 / ACROSS;
            let position = json!({
                "x": place % ACROSS * width, "y": y + place / ACROSS * HEIGHT, "w": width, "h": HEIGHT,
            });
            panels.push(panel(metric, panels.len() + 1, &position));
            count = place + 1;
        }
        y += count.div_ceil(ACROSS) * HEIGHT;
    }
    let board = json!({
        "title": "Plimsoll: database",
        "uid": "plimsoll-database",
        "description": "Made from the table of metrics in crates/plimsoll/src/watch/metrics/table; written by `make docs`.",
        "tags": ["plimsoll", "postgresql"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [variable_of_source(), variable_of_pools()] },
        "panels": panels,
    });
    format!("{board:#}\n")
}

fn variable_of_source() -> Value {
    json!({ "name": "source", "label": "Data source", "type": "datasource", "query": "prometheus" })
}

fn variable_of_pools() -> Value {
    let asked = super::table::conventions::CONNECTION_MAX.prometheus_name();
    json!({
        "name": "pool", "label": "Pool", "type": "query", "datasource": source(), "multi": true, "includeAll": true,
        "allValue": ".*", "refresh": 2, "query": format!("label_values({asked}, pool)"),
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${source}" })
}

fn panel(metric: &Metric, id: usize, position: &Value) -> Value {
    let targets: Vec<Value> = queries(metric)
        .into_iter()
        .zip(["A", "B"])
        .map(|((expr, legend), id)| json!({ "refId": id, "expr": expr, "legendFormat": legend, "datasource": source() }))
        .collect();
    let mut steps = vec![json!({ "color": "green", "value": null })];
    let bound = match metric.target {
        Some(Target::Below(bound)) => Some(bound),
        // At the target nothing is wrong; above it something is.
        Some(Target::Zero) => Some(0.0001),
        Some(Target::Trend) | None => None,
    };
    steps.extend(bound.map(|bound| json!({ "color": "red", "value": bound })));
    let style = if bound.is_some() { "dashed" } else { "off" };
    json!({
        "id": id, "type": "timeseries", "title": metric.name, "description": metric.help, "datasource": source(),
        "gridPos": position, "targets": targets,
        "fieldConfig": {
            "defaults": {
                "unit": unit(metric), "min": 0, "thresholds": { "mode": "absolute", "steps": steps },
                "custom": { "thresholdsStyle": { "mode": style } },
            },
            "overrides": [],
        },
    })
}

/// What a panel asks for, each with its legend.
fn queries(metric: &Metric) -> Vec<(String, String)> {
    let name = metric.prometheus_name();
    let labels = metric.label_names();
    let by = labels.join(", ");
    let legend: Vec<String> = labels.iter().map(|label| format!("{{{{{label}}}}}")).collect();
    let legend = legend.join(" ");
    let of_pool = "{pool=~\"$pool\"}";
    match metric.kind {
        MetricKind::Counter => {
            vec![(format!("sum by ({by}) (rate({name}{of_pool}[$__rate_interval]))"), legend)]
        }
        MetricKind::UpDownCounter => vec![(format!("sum by ({by}) ({name}{of_pool})"), legend)],
        MetricKind::Gauge => vec![(format!("max by ({by}) ({name}{of_pool})"), legend)],
        MetricKind::Histogram => ["0.5", "0.99"]
            .map(|share| {
                let buckets = format!("sum by (le, pool) (rate({name}_bucket{of_pool}[$__rate_interval]))");
                (format!("histogram_quantile({share}, {buckets})"), format!("{{{{pool}}}} {share}"))
            })
            .into(),
    }
}

/// In Grafana's words.
fn unit(metric: &Metric) -> &'static str {
    match (metric.kind, metric.unit) {
        (MetricKind::Counter, _) => "ops",
        (_, Unit::Seconds) => "s",
        (_, Unit::Milliseconds) => "ms",
        (_, Unit::Percent) => "percent",
        (_, Unit::Ratio) => "percentunit",
        (_, Unit::Timestamp) => "dateTimeAsIso",
        (_, Unit::Each(_)) => "short",
    }
}
