//! Prometheus reads what is rendered, by its own parser, whatever the pools are called.

use crate::promtool::{promtool, said};
use crate::server::settings_for;
use plimsoll::Database;
use plimsoll::monitor::{alert_rules, grafana_board, prometheus};
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::path::Path;

/// What promtool finds bad style and what is so on purpose: names of conventions and documents.
const ON_PURPOSE: &[&str] = &[
    "db_client_connection_count ",
    "pool_avg_acquisition_ms ",
    "queries_avg_duration_ms ",
    "plimsoll_stalled_ms_total ",
];

async fn pool(fresh: &test_server::TestDatabase, name: &str) -> Database {
    let db = Database::connect(settings_for(fresh).await.pool_name(name)).await.unwrap();
    db.query("SELECT 1", &[]).await.unwrap();
    assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    db
}

#[tokio::test]
async fn several_pools_in_one_text_by_promtool() {
    let fresh = test_server::database().await.unwrap();
    let pools = [
        pool(&fresh, "").await,
        pool(&fresh, "reports").await,
        pool(&fresh, "reports").await,
        pool(&fresh, "an \"odd\" \\ name, of {parts}").await,
    ];
    let text = prometheus(&pools);
    let output = promtool(Path::new("."), &["check", "metrics"], &text);
    // 3 means that it was read and that there is something to say about style.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}\n{text}", said(&output));
    let wrong: Vec<String> = said(&output)
        .lines()
        .filter(|line| !ON_PURPOSE.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    assert_eq!(text.matches("# TYPE pool_utilization_pct gauge").count(), 1, "a family is there once");
    for name in ["reports", "reports#2", r#"an \"odd\" \\ name, of {parts}"#] {
        let line = format!("plimsoll_statements_total{{pool=\"{name}\"}} 2");
        assert!(text.lines().any(|written| written == line), "{line}\nis not in\n{text}");
    }
    let url = test_server::database().await.unwrap().url();
    assert!(!text.contains("postgres:") && !text.contains(&url), "a name holds no URL");
}

#[test]
fn a_text_that_is_none_is_refused_by_promtool() {
    let output = promtool(Path::new("."), &["check", "metrics"], "pool_utilization_pct{pool=\"a} 1\n");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn the_rules_are_read_by_promtool() {
    let folder = tempfile::tempdir().unwrap();
    let runbook = "https://wiki.example/it's/database-issues";
    std::fs::write(folder.path().join("rules.yml"), alert_rules(runbook)).unwrap();
    let output = promtool(folder.path(), &["check", "rules", "rules.yml"], "");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("13 rules found"), "{}", said(&output));
}

/// What a panel asks for is put into a rule, with values for Grafana's variables, since promtool reads rules.
#[test]
fn every_expression_of_the_board_is_read_by_promtool() {
    let board: Value = serde_json::from_str(&grafana_board()).unwrap();
    let panels = board["panels"].as_array().unwrap().iter();
    let expressions = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut rules = "groups:\n  - name: board\n    rules:\n".to_owned();
    let mut count = 0;
    for target in expressions {
        let expression =
            target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$pool", ".*");
        rules.push_str(&format!("      - record: panel:{count}\n        expr: '{expression}'\n"));
        count += 1;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), rules.replace("panel:", "panel:number_")).unwrap();
    let output = promtool(folder.path(), &["check", "rules", "rules.yml"], "");
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(&format!("{count} rules found")) && count > 40, "{}", said(&output));
}
