//! Every acquisition and every statement is recorded, whatever way it took and however it ended, and the records are
//! right.

use crate::server::{self, settings_for, until};
use bytes::Bytes;
use futures_util::StreamExt;
use plimsoll::monitor::{QueryMetrics, Snapshot};
use plimsoll::{Database, Fault, deadline};
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::time::{Duration, SystemTime};

async fn started(
    change: impl FnOnce(plimsoll::Settings) -> plimsoll::Settings,
) -> (test_server::TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let settings = change(settings_for(&fresh).await.monitor_slow_after(Duration::from_millis(250)));
    let db = Database::connect(settings).await.unwrap();
    (fresh, db)
}

/// The only kind of statement with this text.
fn kind(db: &Database, text: &str) -> QueryMetrics {
    let kinds = db.monitor().query_performance(usize::MAX);
    let found: Vec<_> = kinds.iter().filter(|kind| kind.query_template == text).collect();
    assert_eq!(found.len(), 1, "{text:?} in {kinds:#?}");
    found[0].clone()
}

#[tokio::test]
async fn after_several_queries_the_records_are_complete_and_right() {
    let (_fresh, db) = started(|settings| settings).await;
    let began = SystemTime::now();
    for id in 1..=5 {
        db.query(&format!("SELECT generate_series(1, {id}) -- number {id}"), &[]).await.unwrap();
    }
    for id in 1..=3_i32 {
        db.query_one("select $1::int + 1", &[&id]).await.unwrap();
    }
    db.query("SELECT 'a secret', pg_sleep(0.3)", &[]).await.unwrap();
    let error = db.query("SELECT 1 / 0", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Data);

    let series = kind(&db, "select generate_series(?, ?)");
    assert_eq!((series.execution_count, series.rows, series.error_count), (5, 15, 0));
    assert_eq!(kind(&db, "select ?::int + ?").execution_count, 3);
    let failed = kind(&db, "select ? / ?");
    assert_eq!((failed.execution_count, failed.error_count, failed.rows), (1, 1, 0));

    let kinds = db.monitor().query_performance(usize::MAX);
    assert!(kinds.is_sorted_by(|one, next| one.avg_duration_ms >= next.avg_duration_ms), "{kinds:#?}");
    assert_eq!(db.monitor().query_performance(2), kinds[..2], "the slowest come first");
    // On a machine that is busy others may be slow too; each is counted by the same rule.
    let is_slow = |kind: &&QueryMetrics| kind.max_duration_ms > 250.0;
    assert!(kinds.iter().all(|kind| (kind.slow_count > 0) == is_slow(&kind)), "{kinds:#?}");
    assert_eq!(db.monitor().slow_queries(10), kinds.iter().filter(is_slow).cloned().collect::<Vec<_>>());
    let slow = kind(&db, "select ?, pg_sleep(?)");
    assert_eq!((slow.execution_count, slow.slow_count), (1, 1));
    assert!(slow.avg_duration_ms >= 300.0 && slow.avg_duration_ms < 30_000.0, "{slow:?}");
    assert!((slow.avg_duration_ms - slow.max_duration_ms).abs() < 0.01, "one execution: {slow:?}");
    assert!((slow.avg_duration_ms - slow.total_duration_ms).abs() < 0.01, "one execution: {slow:?}");
    assert!(slow.last_execution.0 >= began + Duration::from_millis(300), "{slow:?}");
    assert!(slow.last_execution.0 <= SystemTime::now() + Duration::from_millis(1), "{slow:?}");
    assert_eq!(slow.query_hash.len(), 16);

    // After an error a connection is looked at before it is idle.
    until("all are idle", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
    let Snapshot { pool_metrics, statements, durations, health_status, .. } = db.snapshot();
    assert_eq!((statements.executed, statements.failed), (10, 1));
    assert_eq!(statements.slow, kinds.iter().map(|kind| kind.slow_count).sum::<u64>());
    assert_eq!((pool_metrics.total_acquisitions, pool_metrics.acquisition_failures), (10, 0));
    assert_eq!(u64::try_from(pool_metrics.slow_queries).unwrap(), statements.slow);
    assert_eq!(pool_metrics.pool_size, pool_metrics.available_connections, "all are idle: {pool_metrics:?}");
    assert!(pool_metrics.pool_size >= 1);
    assert_eq!(durations.server.count, 10);
    assert_eq!((durations.wait.count, durations.held.count), (10, 10));
    assert!(durations.connect.count >= 1, "{durations:?}");
    assert!(durations.server.sum_seconds >= 0.3, "{durations:?}");
    assert_eq!(health_status.status, "healthy", "{health_status:?}");
}

#[tokio::test]
async fn statements_are_recorded_whatever_way_they_take() {
    let (_fresh, db) = started(|settings| settings).await;
    db.execute("CREATE TABLE way (id int)", &[]).await.unwrap();
    let lease = db.acquire().await.unwrap();
    lease.execute("INSERT INTO way VALUES (1), (2)", &[]).await.unwrap();
    lease.batch_execute("SELECT 1; SELECT 2").await.unwrap();
    let statement = lease.prepare("SELECT id FROM way WHERE id = $1").await.unwrap();
    lease.query(&statement, &[&1_i32]).await.unwrap();
    {
        let mut rows = lease.query_stream("SELECT id FROM way LIMIT 7", &[]).await.unwrap();
        while let Some(row) = rows.next().await {
            row.unwrap();
        }
    }
    {
        let mut copy = lease.copy_in("COPY way FROM STDIN").await.unwrap();
        copy.send(Bytes::from_static(b"3\n4\n")).await.unwrap();
        copy.finish().await.unwrap();
    }
    {
        let mut copy = lease.copy_out("COPY way TO STDOUT").await.unwrap();
        while let Some(bytes) = copy.next().await {
            bytes.unwrap();
        }
    }
    assert!(lease.query_stream("SELECT nothing FROM way", &[]).await.is_err());
    assert!(lease.copy_out("COPY nowhere TO STDOUT").await.is_err());
    drop(lease);
    db.transaction(async |tx| {
        tx.query("SELECT 'in a transaction'", &[]).await?;
        tx.batch_execute("DELETE FROM way WHERE id = 9").await
    })
    .await
    .unwrap();
    db.named("by itself").read_only().query("SELECT id + 5 FROM way", &[]).await.unwrap();

    for (text, rows, errors) in [
        ("create table way(id int)", 0, 0),
        ("insert into way values (?), ...", 2, 0),
        ("select ?; select ?", 0, 0),
        ("\"a statement that the caller prepared\"", 1, 0),
        ("select id from way limit ?", 2, 0),
        ("copy way from stdin", 2, 0),
        ("select nothing from way", 0, 1),
        ("copy nowhere to stdout", 0, 1),
        ("select ?", 1, 0),
        ("delete from way where id = ?", 0, 0),
        ("select id + ? from way", 4, 0),
    ] {
        let kind = kind(&db, text);
        assert_eq!((kind.execution_count, kind.rows, kind.error_count), (1, rows, errors), "{kind:?}");
    }
    assert_eq!(kind(&db, "copy way to stdout").execution_count, 1);
    assert_eq!(db.snapshot().statements.executed, 12);
}

#[tokio::test]
async fn what_was_stopped_or_given_up_is_recorded_as_failed() {
    let (_fresh, db) = started(|settings| settings).await;
    let late =
        deadline::within(Duration::from_millis(300), async { db.query("SELECT pg_sleep(60)", &[]).await });
    assert_eq!(late.await.unwrap_err().fault(), Fault::DeadlinePassed);
    let limited = db.named("limited").statement_timeout(Duration::from_millis(100));
    let error = limited.query("SELECT pg_sleep(61), 1", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout);
    let dropped = db.query("SELECT pg_sleep(62), 1, 1", &[]);
    assert!(tokio::time::timeout(Duration::from_millis(300), dropped).await.is_err());

    for text in ["select pg_sleep(?)", "select pg_sleep(?), ?", "select pg_sleep(?), ?, ?"] {
        let kind = kind(&db, text);
        assert_eq!((kind.execution_count, kind.error_count), (1, 1), "{kind:?}");
        assert!(kind.max_duration_ms >= 50.0, "{kind:?}");
    }
    let statements = db.snapshot().statements;
    assert_eq!((statements.failed, statements.timeouts), (3, 2), "{statements:?}");
}

#[tokio::test]
async fn an_acquisition_that_fails_is_recorded_with_its_wait() {
    let limit = Duration::from_millis(200);
    let (_fresh, db) =
        started(|settings| settings.pool_min(0).pool_max(1).max_overflow(0).pool_timeout(limit)).await;
    let before = db.snapshot().durations.held.count;
    let lease = db.named("holder").acquire().await.unwrap();
    let error = db.acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::PoolExhausted);
    let by_deadline = deadline::within(Duration::from_millis(50), async { db.acquire().await }).await;
    assert!(by_deadline.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(20), db.acquire()).await.is_err(), "it is dropped");

    let now = db.snapshot();
    let metrics = &now.pool_metrics;
    assert_eq!((metrics.total_acquisitions, metrics.acquisition_failures), (4, 3), "{metrics:?}");
    assert!(metrics.max_acquisition_time_ms >= 200.0, "{metrics:?}");
    assert_eq!((metrics.active_connections, metrics.available_connections, metrics.maximum), (1, 0, 1));
    let health = &now.health_status;
    assert_eq!((health.status, health.utilization_pct), ("degraded", 100.0), "{health:?}");
    let warnings = health.warnings.join("; ");
    assert!(warnings.contains("1 of 1") && warnings.contains("75.0 %"), "{warnings}");

    let waiting = tokio::spawn({
        let db = db.clone();
        async move { deadline::within(Duration::from_secs(60), async { db.acquire().await.is_ok() }).await }
    });
    until("a caller waits", server::PATIENCE, async || {
        db.monitor().health_status().warnings.join(";").contains("1 callers wait")
    })
    .await;
    let leaks = db.monitor().detect_connection_leaks(Duration::ZERO);
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert!(leaks[0].work.contains("holder"), "{leaks:?}");
    assert!(db.monitor().detect_connection_leaks(Duration::from_secs(300)).is_empty());
    assert!(now.leak_warnings.is_empty());
    drop(lease);
    let _ = waiting.await.unwrap();
    assert!(db.snapshot().durations.held.count > before);
}

#[tokio::test]
async fn the_pool_is_seen_each_second_and_when_it_is_asked_for() {
    let (_fresh, db) = started(|settings| settings).await;
    until("two snapshots were taken", server::PATIENCE, async || db.monitor().pool_snapshots().len() >= 2)
        .await;
    let captured = db.monitor().capture_pool_snapshot();
    assert_eq!(db.monitor().pool_snapshots().last(), Some(&captured));
    for _ in 0..100 {
        db.monitor().capture_pool_snapshot();
    }
    let kept = db.monitor().pool_snapshots();
    assert_eq!(kept.len(), 60);
    assert!(kept.is_sorted_by_key(|snapshot| snapshot.timestamp));
}

/// Whether this object has these keys.
fn has(value: &Value, keys: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let missing: Vec<_> = keys.iter().filter(|key| !object.contains_key(**key)).collect();
    assert!(missing.is_empty(), "{missing:?} in {value}");
}

#[tokio::test]
async fn the_snapshot_has_the_names_that_dashboards_know() {
    let (_fresh, db) = started(|settings| settings.pool_min(1).pool_max(4).max_overflow(2)).await;
    db.query("SELECT pg_sleep(0.3)", &[]).await.unwrap();
    let json = serde_json::to_value(db.snapshot()).unwrap();
    has(&json, &["monitoring_enabled", "health_status", "slow_queries", "pool_config", "leak_warnings"]);
    assert_eq!(json["monitoring_enabled"], true);
    assert_eq!(json["pool_config"], serde_json::json!({"min_connections": 1, "max_connections": 6}));
    has(
        &json["pool_metrics"],
        &[
            "timestamp",
            "pool_size",
            "available_connections",
            "active_connections",
            "waiting_threads",
            "total_acquisitions",
            "acquisition_failures",
            "avg_acquisition_time_ms",
            "max_acquisition_time_ms",
            "slow_queries",
        ],
    );
    has(
        &json["slow_queries"][0],
        &[
            "query_hash",
            "query_template",
            "execution_count",
            "total_duration_ms",
            "avg_duration_ms",
            "max_duration_ms",
            "error_count",
            "last_execution",
        ],
    );
    has(
        &json["health_status"],
        &[
            "status",
            "utilization_pct",
            "warnings",
            "active_connections",
            "available_connections",
            "total_acquisitions",
            "acquisition_failures",
            "slow_queries",
            "avg_acquisition_ms",
        ],
    );
    has(&json["pool_status"], &["size", "checked_in", "checked_out", "overflow", "total_connections"]);
    assert_eq!(json["pool_status"]["size"], 4);
    let timestamp = json["pool_metrics"]["timestamp"].as_str().unwrap();
    assert!(timestamp.starts_with("20") && timestamp.ends_with('Z') && timestamp.len() == 24, "{timestamp}");
}

#[tokio::test]
async fn no_constant_of_any_form_is_in_a_record() {
    let (_fresh, db) = started(|settings| settings).await;
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("CREATE ROLE planted_by_a_test_role NOLOGIN PASSWORD 'planted'").await.unwrap();
    lease.batch_execute("DROP ROLE planted_by_a_test_role").await.unwrap();
    for sql in [
        "SELECT 'planted', E'\\'planted', $$planted$$, U&'planted' -- planted",
        "SELECT /* planted */ $planted$planted$planted$",
        "SELECT 'planted' FROM nowhere",
    ] {
        let _ = lease.query(sql, &[]).await;
    }
    lease
        .batch_execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
        .await
        .unwrap();
    let _ = lease.query("SELECT 'a\\' planted, ', '\\' planted '", &[]).await.unwrap();
    drop(lease);
    let json = serde_json::to_string(&db.snapshot()).unwrap();
    assert!(json.contains("select ?, ?, ?, ?"), "{json}");
    assert!(!json.replace("planted_by_a_test_role", "").contains("planted"), "{json}");
}
