//! Each connection that is closed is counted once, under its reason.

use crate::scrape::Scrape;
use crate::server::{PATIENCE, bare, first, settings_for, until};
use plimsoll::{Database, PooledConnection, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

async fn pool(change: impl FnOnce(Settings) -> Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(change(settings_for(&fresh).await)).await.unwrap();
    (fresh, db)
}

/// Waits until so many are closed, and finds all of them under this reason, none of them opened less often.
async fn closed(db: &Database, reason: &str, count: f64) {
    let series = format!("plimsoll_connections_closed_total{{reason=\"{reason}\"}}");
    let all = |scrape: &Scrape| {
        let by_reason =
            scrape.0.iter().filter(|(name, _)| name.starts_with("plimsoll_connections_closed_total"));
        by_reason.map(|(_, count)| *count).sum::<f64>()
    };
    until(&format!("{count} are closed as {reason}"), PATIENCE, async || all(&Scrape::of(db)) >= count).await;
    let now = Scrape::of(db);
    assert_eq!((now.get(&series), all(&now)), (count, count), "{:#?}", now.0);
    assert!(now.get("plimsoll_connections_opened_total") >= count);
}

async fn pid(lease: &PooledConnection) -> i32 {
    lease.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Ends the session of a lease.
async fn kill(fresh: &TestDatabase, pid: i32) {
    let session = bare(&fresh.url()).await;
    first(&session, &format!("SELECT pg_terminate_backend({pid})")).await.unwrap();
}

#[tokio::test]
async fn expired() {
    let (_fresh, db) = pool(|settings| {
        settings.check_after_idle(20 * MS).idle_timeout(100 * MS).max_lifetime(300 * MS).lifetime_jitter(0.0)
    })
    .await;
    let series = r#"plimsoll_connections_closed_total{reason="expired"}"#;
    until("one has reached its age in use", PATIENCE, async || {
        drop(db.acquire().await.unwrap());
        Scrape::of(&db).get(series) >= 1.0
    })
    .await;
}

#[tokio::test]
async fn idle() {
    let (_fresh, db) = pool(|settings| settings.check_after_idle(20 * MS).idle_timeout(100 * MS)).await;
    closed(&db, "idle", 1.0).await;
}

#[tokio::test]
async fn dead() {
    let (fresh, db) = pool(|settings| settings).await;
    let pid = pid(&db.acquire().await.unwrap()).await;
    until("it is idle", PATIENCE, async || db.pool_status().checked_in == 1).await;
    kill(&fresh, pid).await;
    closed(&db, "dead", 1.0).await;
}

#[tokio::test]
async fn surplus() {
    let (_fresh, db) = pool(|settings| settings.pool_max(1).max_overflow(1)).await;
    let both = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    drop(both);
    closed(&db, "surplus", 1.0).await;
}

#[tokio::test]
async fn broken() {
    let (fresh, db) = pool(|settings| settings).await;
    let lease = db.acquire().await.unwrap();
    kill(&fresh, pid(&lease).await).await;
    until("it has ended", PATIENCE, async || lease.query("SELECT 1", &[]).await.is_err()).await;
    drop(lease);
    closed(&db, "broken", 1.0).await;
}

#[tokio::test]
async fn broken_by_a_fault_that_evicts() {
    let (_fresh, db) = pool(|settings| settings).await;
    let lease = db.acquire().await.unwrap();
    // The code of a server that only reads: what is written to it is lost, so the connection is not lent again.
    let raise = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006'; END $$";
    assert!(lease.batch_execute(raise).await.unwrap_err().fault().evicts());
    drop(lease);
    closed(&db, "broken", 1.0).await;
}

#[tokio::test]
async fn swollen() {
    let (_fresh, db) = pool(|settings| settings).await;
    db.query_one("SELECT length($1::text)", &[&"x".repeat(2 * 1024 * 1024)]).await.unwrap();
    closed(&db, "swollen", 1.0).await;
}

#[tokio::test]
async fn pool_closed() {
    let (_fresh, db) = pool(|settings| settings.pool_min(2)).await;
    until("two are open", PATIENCE, async || db.pool_status().checked_in == 2).await;
    let _ = db.close().await;
    closed(&db, "pool_closed", 2.0).await;
}

#[tokio::test]
async fn none_while_nothing_happens_to_them() {
    let (_fresh, db) = pool(|settings| settings).await;
    for _ in 0..20 {
        db.query("SELECT 1", &[]).await.unwrap();
        assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    }
    let now = Scrape::of(&db);
    let closed: Vec<_> = now
        .0
        .iter()
        .filter(|(name, count)| name.starts_with("plimsoll_connections_closed") && **count > 0.0)
        .collect();
    assert!(closed.is_empty(), "{closed:?}");
}
