//! A lease tells who holds it and what it does: work and place, request, backend, state, last statement.

use crate::server::{self, PATIENCE, until};
use plimsoll::pool::{LeaseState, LeaseStatus};
use plimsoll::request_id::{self, RequestId};
use plimsoll::{Database, deadline};
use plimsoll_embedded::test_server;
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::Duration;

fn lease_of(db: &Database, name: &str) -> LeaseStatus {
    let leases = db.pool_status().leases;
    let found: Vec<_> =
        leases.iter().filter(|lease| lease.work.starts_with(&format!("\"{name}\""))).collect();
    assert_eq!(found.len(), 1, "{leases:#?}");
    found[0].clone()
}

#[tokio::test]
async fn in_each_state() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    // A text is known once a statement with it has ended.
    const SLEEP: &str = "SELECT pg_sleep($1)";
    db.query(SLEEP, &[&0.0_f64]).await.unwrap();

    let id = RequestId::parse("request-1").unwrap();
    let line = line!() + 1;
    let lease = request_id::within(id, db.named("report").acquire()).await.unwrap();
    let told = lease_of(&db, "report");
    assert_eq!(told.work, format!("\"report\" (a_lease_tells_who_holds_it_and_what_it_does.rs:{line})"));
    assert_eq!((told.request_id.as_deref(), told.state), (Some("request-1"), LeaseState::Idle));
    assert_eq!(
        (told.fingerprint, told.last_statement),
        (None, None),
        "what a lease before it did is not its own"
    );
    let pid: i32 = lease.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let told = lease_of(&db, "report");
    assert_eq!((told.pid, told.last_statement.as_deref()), (Some(pid), Some("select pg_backend_pid()")));
    let known = db.monitor().query_performance(10);
    let kind = known.iter().find(|kind| kind.query_template == "select pg_backend_pid()").unwrap();
    assert_eq!(told.fingerprint.map(|number| format!("{number:016x}")), Some(kind.query_hash.clone()));

    lease.batch_execute("BEGIN").await.unwrap();
    assert_eq!(lease_of(&db, "report").state, LeaseState::IdleInTransaction);
    lease.query("SELECT 1 / 0 AS \"a secret\", 'a secret'", &[]).await.unwrap_err();
    // The error comes before the server says that it is ready for the next statement.
    until("it is ready", PATIENCE, async || lease_of(&db, "report").state != LeaseState::Active).await;
    let told = lease_of(&db, "report");
    assert_eq!(told.state, LeaseState::IdleInFailedTransaction);
    assert_eq!(told.state.to_string(), "idle in transaction (aborted)");
    assert!(!told.last_statement.unwrap().contains("'a secret'"));
    until("it is silent", PATIENCE, async || lease_of(&db, "report").silent > Duration::from_millis(50))
        .await;
    assert!(lease_of(&db, "report").held > lease_of(&db, "report").silent);
    lease.batch_execute("ROLLBACK").await.unwrap();
    {
        let running = lease.query(SLEEP, &[&60.0_f64]);
        tokio::pin!(running);
        let mut told = lease_of(&db, "report");
        while told.state != LeaseState::Active {
            tokio::select! {
                answer = &mut running => panic!("{answer:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => told = lease_of(&db, "report"),
            }
        }
        assert_eq!(told.last_statement.as_deref(), Some("select pg_sleep(?)"), "also while it runs");
    }
    drop(lease);

    let plain = db.named("plain").acquire().await.unwrap();
    assert_eq!(lease_of(&db, "plain").request_id, None);
    drop(plain);
}

#[tokio::test]
async fn and_so_does_the_warning_of_a_leak() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let id = RequestId::parse("request-2").unwrap();
    let lease = request_id::within(id, db.named("report").begin()).await.unwrap();
    lease.query("SELECT 7", &[]).await.unwrap();
    until("it is held for a moment", PATIENCE, async || {
        !db.monitor().detect_connection_leaks(Duration::from_millis(20)).is_empty()
    })
    .await;
    let leaks = serde_json::to_value(db.monitor().detect_connection_leaks(Duration::ZERO)).unwrap();
    let leak = &leaks[0];
    assert!(leak["work"].as_str().unwrap().starts_with("\"report\" (a_lease_tells_"), "{leak}");
    assert_eq!((&leak["request_id"], &leak["state"]), (&"request-2".into(), &"idle in transaction".into()));
    assert_eq!(leak["last_statement"], "select ?");
    assert_eq!(leak["query_hash"].as_str().map(str::len), Some(16));
    assert!(leak["pid"].as_i64().unwrap() > 0 && leak["silent_seconds"].as_f64().unwrap() >= 0.0);
    drop(lease);
    until("all are home", PATIENCE, async || db.pool_status().checked_out == 0).await;
    assert!(db.monitor().detect_connection_leaks(Duration::ZERO).is_empty());
}

#[tokio::test]
async fn the_id_of_the_request_reaches_leases_that_waited_and_that_another_task_takes() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let first = db.named("first").acquire().await.unwrap();
    let id = RequestId::parse("request-3").unwrap();
    let other = db.clone();
    let work = async move { other.named("second").acquire().await };
    let handed_on = async move { tokio::spawn(deadline::inherit(work)).await.unwrap() };
    let waiting = tokio::spawn(request_id::within(id, handed_on));
    until("it waits", PATIENCE, async || db.pool_status().waiting == 1).await;
    drop(first);
    let second = waiting.await.unwrap().unwrap();
    assert_eq!(lease_of(&db, "second").request_id.as_deref(), Some("request-3"));
    drop(second);
}

#[tokio::test]
async fn without_monitoring_all_but_the_statement_is_told() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.monitoring(false)).await.unwrap();
    let lease = db.named("report").begin().await.unwrap();
    lease.query("SELECT 7", &[]).await.unwrap();
    let told = lease_of(&db, "report");
    assert_eq!((told.last_statement, told.fingerprint), (None, None));
    assert_eq!((told.state, told.pid.is_some()), (LeaseState::IdleInTransaction, true));
}

/// A pooler tells a number of its own for the process id: PgBouncer one that it has drawn.
async fn behind_a_pooler_the_process_id_is_not_known(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let bouncer = PgBouncer::in_front_of(&fresh).version(version).pool_mode(mode).start().await.unwrap();
        let db = Database::connect(server::settings(&bouncer.url(fresh.name()))).await.unwrap();
        let lease = db.named("report").begin().await.unwrap();
        lease.query("SELECT 7", &[]).await.unwrap();
        let told = lease_of(&db, "report");
        assert_eq!((told.pid, told.state), (None, LeaseState::IdleInTransaction), "{mode:?}");
        assert_eq!(told.last_statement.as_deref(), Some("select ?"));
        drop(lease);
        db.close().await;
    }
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_pooler_the_process_id_is_not_known);
