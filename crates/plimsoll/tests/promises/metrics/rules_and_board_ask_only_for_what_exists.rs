//! Alert rules and the board ask only for metrics, labels and values that exist, and a rule that asks how much a counter
//! has grown asks for one that is there from the start.

use crate::scrape::Scrape;
use crate::server;
use plimsoll::monitor::{Metric, MetricKind, alerts, grafana_board, metrics};
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::collections::BTreeSet;

/// The words of PromQL and of Grafana that these expressions use.
const WORDS: &[&str] = &[
    "increase",
    "rate",
    "sum",
    "max",
    "by",
    "le",
    "time",
    "and",
    "histogram_quantile",
    "pool",
    "__rate_interval",
    "m",
    "h",
    "s",
];

/// The metric of which this is a series.
fn metric_of(word: &str) -> Option<&'static Metric> {
    metrics().find(|metric| {
        let name = metric.prometheus_name();
        let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"));
        match metric.kind() {
            MetricKind::Histogram => parts.iter().any(|part| part == word),
            _ => name == word,
        }
    })
}

/// Checks an expression; gives how many metrics it asks for.
fn check(expression: &str) -> usize {
    let mut count = 0;
    let mut labels: Vec<String> = vec!["pool".to_owned()];
    // What stands in quotes is a value of a label, and is looked at below.
    let outside: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let words = outside.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words: Vec<&str> =
        words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')).collect();
    for word in &words {
        if let Some(metric) = metric_of(word) {
            count += 1;
            labels.extend(metric.label_names());
        }
    }
    for word in &words {
        let is_known =
            metric_of(word).is_some() || WORDS.contains(word) || labels.iter().any(|label| label == word);
        assert!(is_known, "{word} in {expression}");
    }
    count
}

#[test]
fn every_expression_of_a_rule_does() {
    for alert in alerts() {
        assert!(check(&alert.expression()) >= 1, "{alert:?} asks for nothing");
        for metric in alert.metrics() {
            let asks_for_growth =
                alert.expression().contains("increase(") && metric.kind() == MetricKind::Counter;
            assert!(
                !asks_for_growth || metric.is_always_there(),
                "{alert:?}: {metric:?} appears with its first event"
            );
        }
    }
}

#[test]
fn every_label_that_a_rule_asks_for_can_have_that_value() {
    let mut seen = 0;
    for alert in alerts() {
        let expression = alert.expression();
        let metric = alert.metrics().next().unwrap();
        for (at, _) in expression.match_indices("=\"") {
            let label = expression[..at].rsplit([',', '{']).next().unwrap();
            let value = expression[at + 2..].split('"').next().unwrap();
            assert!(metric.label_values(label).contains(&value), "{alert:?}: {label} is never {value}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "the test does not look");
}

#[test]
fn every_panel_of_the_board_does_and_every_metric_has_one() {
    let board: Value = serde_json::from_str(&grafana_board()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut titles = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        titles.push(panel["title"].as_str().unwrap());
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(check(target["expr"].as_str().unwrap()), 1, "{target}");
        }
    }
    let names: Vec<&str> = metrics().map(|metric| metric.name()).collect();
    titles.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(titles, sorted);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id is there twice");
}

#[test]
fn a_misspelt_metric_is_found() {
    assert!(std::panic::catch_unwind(|| check("increase(pool_acquisition_failure_total[1m]) > 10")).is_err());
    assert!(std::panic::catch_unwind(|| check("sum by (status) (pool_utilization_pct)")).is_err());
}

#[tokio::test]
async fn a_pool_has_from_the_start_what_must_be_there() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let scrape = Scrape::of(&db);
    for metric in metrics().filter(|metric| metric.kind() == MetricKind::Counter && metric.is_always_there())
    {
        let name = metric.prometheus_name();
        let own: Vec<String> = metric.label_names().split_off(1);
        match own.as_slice() {
            [] => assert!(scrape.has(&name), "{name}"),
            [label] => {
                for value in metric.label_values(label) {
                    assert!(scrape.has(&format!("{name}{{{label}=\"{value}\"}}")), "{name} {value}");
                }
            }
            more => panic!("{name}: {more:?}"),
        }
    }
    for later in
        ["pool_avg_acquisition_ms", "queries_avg_duration_ms", "plimsoll_schema_migrated_timestamp_seconds"]
    {
        assert!(!scrape.has(later), "{later} says something before anything has happened");
    }
}
