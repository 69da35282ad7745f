//! A lease that is held for long is told of once, with its place in the source and with what it looks like: a leak, a
//! transaction that was left open, a slow query, or a lease in use. Where it is asked for, what is not used is taken back.

use crate::server::{self, PATIENCE, settings_for, until};
use plimsoll::event::{Event, Hold};
use plimsoll::request_id::{self, RequestId};
use plimsoll::{Database, Fault, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

const LONG: Duration = Duration::from_millis(300);

async fn started(change: impl FnOnce(Settings) -> Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(change(settings_for(&fresh).await)).await.unwrap();
    (fresh, db)
}

/// The next report of a lease that is held for long: what it looks like, whose it is, its request and its statement.
async fn held_long(events: &mut Receiver<Event>) -> (Hold, String, Option<String>, Option<String>) {
    server::event("a lease is held for long", events, |event| match event {
        Event::HeldLong { hold, work, request, statement, held, pid, .. } => {
            assert!(*held >= LONG && pid.is_some_and(|pid| pid > 0), "{held:?} {pid:?}");
            Some((*hold, work.clone(), request.clone(), statement.clone()))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_forgotten_guard_is_named() {
    let (_fresh, db) = started(|settings| settings.leak_after(LONG)).await;
    let mut events = db.events();
    request_id::within(RequestId::parse("r-9").unwrap(), async {
        let lease = db.named("nightly report").acquire().await.unwrap();
        lease.query("SELECT 7 AS answer", &[]).await.unwrap();
        std::mem::forget(lease);
    })
    .await;
    let (hold, work, request, statement) = held_long(&mut events).await;
    assert_eq!((hold, request.as_deref()), (Hold::Leak, Some("r-9")));
    assert!(work.starts_with("\"nightly report\" (a_leak_is_told"), "{work}");
    assert_eq!(statement.as_deref(), Some("select ? as answer"));
    let warnings = db.monitor().detect_connection_leaks(LONG);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!((warnings[0].hold, &warnings[0].work), ("leak", &work));
}

#[tokio::test]
async fn the_four_kinds_are_told_apart_and_each_lease_is_told_once() {
    let (_fresh, db) = started(|settings| settings.leak_after(LONG)).await;
    let mut events = db.events();
    let leaked = db.named("leak").acquire().await.unwrap();
    let open = db.named("open").begin().await.unwrap();
    open.execute("SELECT 1", &[]).await.unwrap();
    let slow = db.named("slow").acquire().await.unwrap();
    let busy = db.named("busy").acquire().await.unwrap();
    let brief = db.named("brief").acquire().await.unwrap();
    drop(brief);
    let mut told = Vec::new();
    let work = async {
        tokio::join!(slow.query("SELECT pg_sleep(1.5)", &[]), async {
            let end = tokio::time::Instant::now() + Duration::from_millis(1_400);
            while tokio::time::Instant::now() < end {
                busy.query("SELECT pg_sleep(0.01)", &[]).await.unwrap();
            }
        })
    };
    let reports = async {
        for _ in 0..4 {
            let (hold, work, ..) = held_long(&mut events).await;
            told.push((hold, work.split('"').nth(1).unwrap().to_owned()));
        }
    };
    tokio::join!(work, reports).0.0.unwrap();
    for expected in [
        (Hold::Leak, "leak"),
        (Hold::IdleInTransaction, "open"),
        (Hold::SlowQuery, "slow"),
        (Hold::InUse, "busy"),
    ] {
        assert!(told.contains(&(expected.0, expected.1.to_owned())), "{expected:?} in {told:?}");
    }
    // The reports came long before the work had ended; there was time for a second one of each.
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::HeldLong { .. }), "told twice: {event:?}");
    }
    drop((leaked, open, slow, busy));
}

#[tokio::test]
async fn what_a_forgotten_guard_holds_is_taken_back() {
    let (fresh, db) = started(|settings| settings.pool_max(1).leak_reclaim_after(LONG)).await;
    let mut events = db.events();
    for _ in 0..3 {
        let tx = db.named("forgetful").begin().await.unwrap();
        tx.execute("CREATE TABLE t (a int)", &[]).await.unwrap();
        std::mem::forget(tx);
        // The pool has no other connection, so this waits until that one was taken back.
        let tables = db.query_one("SELECT to_regclass('t') IS NULL", &[]).await.unwrap();
        assert!(tables.get::<_, bool>(0), "its transaction was rolled back");
        let taken = server::event("it was taken back", &mut events, |event| match event {
            Event::LeaseReclaimed { work, held, silent, .. } => Some((work.clone(), *held, *silent)),
            _ => None,
        })
        .await;
        assert!(taken.0.contains("forgetful") && taken.1 >= LONG && taken.2 >= LONG, "{taken:?}");
    }
    let status = db.pool_status();
    assert_eq!((status.total_connections, status.maximum), (1, 1));
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name NOT LIKE '%heartbeat%'";
    until("their backends have ended", PATIENCE, async || {
        db.query_one(backends, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    drop(fresh);
}

#[tokio::test]
async fn a_holder_that_comes_back_is_told_and_harms_nothing() {
    let (_fresh, db) = started(|settings| settings.pool_max(1).leak_reclaim_after(LONG)).await;
    let lease = db.acquire().await.unwrap();
    lease.query("SELECT 1", &[]).await.unwrap();
    let other = db.acquire().await.unwrap();
    let error = lease.query("SELECT 2", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::ConnectionLost);
    assert!(error.to_string().contains("leak_reclaim_after"), "{error}");
    drop(lease);
    other.query("SELECT 3", &[]).await.unwrap();
    drop(other);
    db.query("SELECT 4", &[]).await.unwrap();
    let status = db.pool_status();
    assert_eq!((status.total_connections, status.checked_out, status.opened, status.closed), (1, 0, 2, 1));
    db.close().await;
}

#[tokio::test]
async fn what_is_used_is_never_taken_back() {
    let (_fresh, db) = started(|settings| settings.leak_reclaim_after(LONG)).await;
    let mut events = db.events();
    let (slow, busy) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    let slow = slow.query("SELECT pg_sleep(1)", &[]);
    let busy = async {
        for _ in 0..12 {
            busy.query("SELECT pg_sleep(0.08)", &[]).await.unwrap();
        }
    };
    tokio::join!(slow, busy).0.unwrap();
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::LeaseReclaimed { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn nothing_is_taken_back_unless_that_is_asked_for() {
    let (_fresh, db) = started(|settings| settings.pool_max(1).leak_after(LONG)).await;
    let mut events = db.events();
    let lease = db.acquire().await.unwrap();
    held_long(&mut events).await;
    let refused = db.named("next").acquire();
    let refused = plimsoll::deadline::within(2 * LONG, refused).await;
    assert!(refused.is_err(), "the only connection is still lent");
    lease.query("SELECT 1", &[]).await.unwrap();
}
