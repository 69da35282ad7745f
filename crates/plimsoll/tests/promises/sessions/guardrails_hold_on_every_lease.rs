//! Every lease carries every limit, whatever the lease before it did to the session.

use crate::server::{event, settings_for};
use plimsoll::event::{Event, StopReason};
use plimsoll::{Database, Fault, PooledConnection};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::{Duration, Instant};

/// The limits of a lease as the server has them in force.
async fn limits(lease: &PooledConnection) -> Vec<(String, String)> {
    let sql = "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', \
               'idle_in_transaction_session_timeout', 'client_connection_check_interval', 'transaction_timeout', \
               'tcp_keepalives_idle', 'tcp_user_timeout') ORDER BY name";
    let rows = lease.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// What they are by default. `transaction_timeout` came with PostgreSQL 17.
fn defaults(lease: &PooledConnection) -> Vec<(String, String)> {
    let mut limits = vec![
        ("client_connection_check_interval", "2000"),
        ("idle_in_transaction_session_timeout", "30000"),
        ("lock_timeout", "5000"),
        ("statement_timeout", "30000"),
        ("tcp_keepalives_idle", "30"),
        ("tcp_user_timeout", "10000"),
        ("transaction_timeout", "60000"),
    ];
    if lease.server_version() < 170_000 {
        limits.pop();
    }
    limits.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn one_connection(db: &TestDatabase) -> Database {
    Database::connect(settings_for(db).await.pool_max(1)).await.unwrap()
}

#[tokio::test]
async fn the_first_the_second_and_the_hundredth_lease_carry_every_limit() {
    let server = test_server::database().await.unwrap();
    let db = one_connection(&server).await;
    for number in 1..=100 {
        let lease = db.acquire().await.unwrap();
        if matches!(number, 1 | 2 | 100) {
            assert_eq!(limits(&lease).await, defaults(&lease), "lease {number}");
        } else {
            lease.query_one("SELECT 1", &[]).await.unwrap();
        }
    }
    assert_eq!(db.pool_status().opened, 1);
}

#[tokio::test]
async fn what_a_borrower_resets_or_sets_is_gone_for_the_next() {
    let server = test_server::database().await.unwrap();
    let db = one_connection(&server).await;
    for spoil in [
        "RESET ALL",
        "SET statement_timeout = 0",
        "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0",
        "SET client_connection_check_interval = 0",
        "SELECT set_config('statement_timeout', '0', false)",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "DISCARD ALL",
        "BEGIN; SET statement_timeout = 0; COMMIT",
        "DO $$ BEGIN PERFORM set_config('statement_timeout', '0', false); END $$",
    ] {
        // Once through the guarded method and once through the driver's own client.
        let lease = db.acquire().await.unwrap();
        lease.batch_execute(spoil).await.unwrap();
        drop(lease);
        let lease = db.acquire().await.unwrap();
        assert_eq!(limits(&lease).await, defaults(&lease), "after {spoil}");
        lease.as_ref().batch_execute(spoil).await.unwrap();
        drop(lease);
        let lease = db.acquire().await.unwrap();
        assert_eq!(limits(&lease).await, defaults(&lease), "after a raw {spoil}");
        let row = lease.query_one("SELECT current_setting('transaction_read_only')", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "off", "after {spoil}");
    }
}

#[tokio::test]
async fn a_borrower_that_takes_the_limit_off_is_stopped_all_the_same_and_named() {
    let server = test_server::database().await.unwrap();
    let settings = settings_for(&server)
        .await
        .pool_max(1)
        .lock_timeout(Duration::from_millis(200))
        .client_connection_check_interval(Duration::from_millis(100))
        .statement_timeout(Duration::from_millis(500))
        .client_statement_timeout(Duration::from_millis(700));
    let db = Database::connect(settings).await.unwrap();
    let mut events = db.events();
    let lease = db.named("the careless one").acquire().await.unwrap();
    lease.batch_execute("SET statement_timeout = 0").await.unwrap();
    let began = Instant::now();
    let error = lease.query("SELECT pg_sleep(20)", &[]).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    assert!(error.to_string().contains("the careless one"), "{error}");
    let (work, reason) = event("a stop", &mut events, |event| match event {
        Event::Stopped { work, reason, .. } => Some((work.clone(), *reason)),
        _ => None,
    })
    .await;
    assert!(work.contains("the careless one"), "{work}");
    assert_eq!(reason, StopReason::Limit);
    drop(lease);

    let lease = db.acquire().await.unwrap();
    let row = lease.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "500ms");
    assert_eq!(db.pool_status().opened, 1, "the connection was worth keeping");
}

#[tokio::test]
async fn statement_timeout_enforced() {
    let server = test_server::database().await.unwrap();
    let settings = settings_for(&server)
        .await
        .lock_timeout(Duration::from_millis(100))
        .client_connection_check_interval(Duration::from_millis(100))
        .statement_timeout(Duration::from_millis(200))
        .client_statement_timeout(Duration::from_secs(10));
    let db = Database::connect(settings).await.unwrap();
    let error = db.query("SELECT pg_sleep(20)", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    assert_eq!(error.sqlstate().unwrap().code(), "57014");
    let sum = db.transaction(async |tx| tx.query_one("SELECT 1 + 1", &[]).await).await.unwrap();
    assert_eq!(sum.get::<_, i32>(0), 2);
}

#[tokio::test]
async fn a_version_that_was_said_too_high_costs_a_connect_and_no_limit() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.server_version(17).pool_max(2)).await.unwrap();
    let (first, second) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    assert_eq!(limits(&first).await, defaults(&first));
    assert_eq!(limits(&second).await, defaults(&second));
    assert_eq!(db.pool_status().connect_failures, 0);
}
