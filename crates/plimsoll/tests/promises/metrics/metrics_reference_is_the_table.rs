//! `docs/metrics.md`, the rules and the board in `docs/monitoring` say what the program does, because they are made of the
//! same table.
//!
//! `make docs` writes them anew, which is this test with `PLIMSOLL_BLESS=1`.

use plimsoll::monitor::{MetricKind, alert_rules, grafana_board, metrics, metrics_reference};
use std::collections::BTreeSet;
use std::path::Path;

/// The runbook, from where the rules are.
pub(super) const RUNBOOK: &str = "../runbooks/database-issues.md";

#[test]
fn what_is_in_the_repository_is_what_the_table_makes() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (file, made) in [
        ("metrics.md", metrics_reference()),
        ("monitoring/plimsoll.rules.yml", alert_rules(RUNBOOK)),
        ("monitoring/grafana.json", grafana_board()),
    ] {
        let path = docs.join(file);
        if std::env::var_os("PLIMSOLL_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let is_same = if file.ends_with(".json") { json(&kept) == json(&made) } else { kept == made };
        assert!(is_same, "docs/{file} is out of date: run this test with PLIMSOLL_BLESS=1");
    }
}

/// In which order the fields of JSON are written depends on what other crates of the build ask of serde.
fn json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

#[test]
fn every_metric_has_a_name_of_its_own_and_says_what_it_is() {
    let mut names = BTreeSet::new();
    for metric in metrics() {
        let name = metric.prometheus_name();
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert!(metric.help().ends_with('.') && !metric.help().contains("  "), "{name}: {:?}", metric.help());
        assert_eq!(name.ends_with("_total"), metric.kind() == MetricKind::Counter, "{name}");
        assert_eq!(metric.label_names()[0], "pool");
    }
    assert!(names.len() > 40, "only {} metrics", names.len());
}

#[test]
fn conventions_and_documents_are_followed_to_the_letter() {
    let known: BTreeSet<&str> = metrics().map(|metric| metric.name()).collect();
    for name in [
        "db.client.operation.duration",
        "db.client.connection.count",
        "db.client.connection.idle.max",
        "db.client.connection.idle.min",
        "db.client.connection.max",
        "db.client.connection.pending_requests",
        "db.client.connection.timeouts",
        "db.client.connection.create_time",
        "db.client.connection.wait_time",
        "db.client.connection.use_time",
        "pool.utilization_pct",
        "pool.acquisition_failures",
        "pool.avg_acquisition_ms",
        "queries.slow_count",
        "queries.avg_duration_ms",
        "queries.error_rate",
        "system.connection_leaks",
        "system.timeout_errors",
        "system.pool_exhaustion_events",
    ] {
        assert!(known.contains(name), "{name} is missing");
    }
    let page = metrics_reference();
    for (name, target) in [
        ("pool.utilization_pct", "below 80 %"),
        ("pool.acquisition_failures", "0"),
        ("pool.avg_acquisition_ms", "below 50 ms"),
        ("queries.slow_count", "its trend is watched"),
        ("queries.avg_duration_ms", "below 100 ms"),
        ("queries.error_rate", "below 0.01 (1 %)"),
        ("system.connection_leaks", "0"),
        ("system.timeout_errors", "0"),
        ("system.pool_exhaustion_events", "0"),
    ] {
        assert!(page.contains(&format!("| `{name}` | {target} |")), "{name}");
    }
    let operations = metrics().find(|metric| metric.name() == "db.client.operation.duration").unwrap();
    assert_eq!(operations.prometheus_name(), "db_client_operation_duration_seconds");
    assert_eq!(operations.label_values("db_system_name"), ["postgresql"]);
}

#[test]
fn the_values_of_every_label_are_few_and_known() {
    for metric in metrics() {
        for label in metric.label_names().iter().skip(1) {
            let values = metric.label_values(label);
            let distinct: BTreeSet<_> = values.iter().collect();
            assert!(!values.is_empty() && values.len() < 64, "{metric:?} {label}: {values:?}");
            assert_eq!(distinct.len(), values.len(), "{metric:?} {label}");
        }
        assert!(metric.label_values("tenant").is_empty());
    }
}
