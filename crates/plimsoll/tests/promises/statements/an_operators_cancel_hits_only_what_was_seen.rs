//! A cancel of what was seen on a lease hits that statement, and never the one that runs there by then.

use crate::server::{self, PATIENCE, until};
use plimsoll::pool::{LeaseState, RunningId};
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server;
use std::time::Duration;

/// What runs under this name, once it runs.
async fn seen(db: &Database, name: &str) -> RunningId {
    let work = format!("\"{name}\"");
    let mut found = None;
    until("it runs", PATIENCE, async || {
        let leases = db.pool_status().leases;
        let lease =
            leases.into_iter().find(|one| one.work.starts_with(&work) && one.state == LeaseState::Active);
        // A statement that is being prepared is another request.
        found = lease.filter(|lease| lease.held > Duration::from_millis(200)).map(|lease| lease.running);
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test]
async fn what_still_runs_is_stopped_and_the_connection_goes_on() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let lease = db.named("sleeper").acquire().await.unwrap();
    let pid = lease.backend_pid();
    let (answer, was_running) = tokio::join!(lease.query("SELECT pg_sleep(60)", &[]), async {
        let running = seen(&db, "sleeper").await;
        db.cancel_running(running).await.unwrap()
    });
    assert!(was_running);
    assert_eq!(answer.unwrap_err().fault(), Fault::CancelledByOther);
    let row = lease.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), pid, "the next statement runs on the same connection");
}

#[tokio::test]
async fn the_next_statement_of_the_lease_is_left_alone() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let lease = db.named("sleeper").acquire().await.unwrap();
    let work = async {
        lease.query("SELECT pg_sleep(0.6)", &[]).await.unwrap();
        lease.query("SELECT pg_sleep(0.7)", &[]).await
    };
    let (answer, ()) = tokio::join!(work, async {
        let before = seen(&db, "sleeper").await;
        until("the next one runs", PATIENCE, async || {
            let leases = db.pool_status().leases;
            leases.iter().any(|one| one.running != before && one.state == LeaseState::Active)
        })
        .await;
        assert!(!db.cancel_running(before).await.unwrap(), "what was seen has ended");
    });
    answer.expect("it is not what was meant");
}

#[tokio::test]
async fn another_lease_of_the_same_connection_is_left_alone() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_min(0).pool_max(1).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let first = db.named("first").acquire().await.unwrap();
    let idle = db.pool_status().leases[0].running;
    assert!(!db.cancel_running(idle).await.unwrap(), "nothing runs there");
    drop(first);
    assert!(!db.cancel_running(idle).await.unwrap(), "nothing is lent");
    let other = db.named("other").query("SELECT pg_sleep(0.5)", &[]);
    let (answer, ()) = tokio::join!(other, async {
        let running = seen(&db, "other").await;
        assert_ne!(running, idle);
        assert!(!db.cancel_running(idle).await.unwrap());
    });
    answer.unwrap();
}
