//! A large parameter and a large row leave large buffers in the driver, which never shrink. A connection on which one has
//! passed is closed once none has followed for three seconds, whether it rests or is lent all the time. While large
//! messages keep coming it stays, and small ones never close one.

use crate::scrape::Scrape;
use crate::server::{PATIENCE, resident, settings_for, until};
use plimsoll::Database;
use plimsoll_embedded::test_server;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How many connections were closed because they had swollen, and how many in all.
fn closed(db: &Database) -> (u64, u64) {
    let series = "plimsoll_connections_closed_total{reason=\"swollen\"}";
    (Scrape::of(db).get(series) as u64, db.pool_status().closed)
}

/// Sends a parameter of so many bytes and reads a row as long.
async fn pass(db: &Database, bytes: usize) {
    let text = "x".repeat(bytes);
    let row = db.query_one("SELECT $1::text", &[&text]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0).len(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_connections_at_rest_give_their_memory_back() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(4)).await.unwrap();
    let leases = tokio::join!(db.acquire(), db.acquire(), db.acquire(), db.acquire());
    let leases = [leases.0, leases.1, leases.2, leases.3].map(Result::unwrap);
    let before = resident();
    let text = "x".repeat(32 * 1024 * 1024);
    for lease in &leases {
        let row = lease.query_one("SELECT $1::text", &[&text]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0).len(), text.len());
    }
    drop(text);
    let most = resident();
    assert!(most > before + 300_000, "it is no test if nothing swells: {before} kB, then {most} kB");
    drop(leases);
    until("all four are closed", PATIENCE, async || closed(&db) == (4, 4)).await;
    until("their memory is given back", PATIENCE, async || resident() < before + 60_000).await;
    // The pool goes on, and what is small stays.
    pass(&db, 1).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!((closed(&db), db.pool_status().checked_in), ((4, 4), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_rests_is_closed_too_and_no_call_fails() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(1)).await.unwrap();
    pass(&db, 4 * 1024 * 1024).await;
    let end = Instant::now() + PATIENCE;
    let calls = (0..8).map(async |_| {
        while closed(&db).0 == 0 {
            assert!(Instant::now() < end, "it was never closed");
            pass(&db, 1).await;
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(closed(&db), (1, 1));
    pass(&db, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_large_messages_come_their_connection_stays() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(1)).await.unwrap();
    let end = Instant::now() + Duration::from_secs(7);
    while Instant::now() < end {
        pass(&db, 2 * 1024 * 1024).await;
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(closed(&db), (0, 0));
}
