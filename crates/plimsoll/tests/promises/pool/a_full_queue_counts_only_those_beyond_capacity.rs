//! `max_waiting` bounds those who wait beyond what the pool can carry: whoever waits for a connection that is being
//! opened, may still be opened, or is on its way home is no waiter too many.

use crate::server;
use plimsoll::{Database, Fault, Priority};
use plimsoll_embedded::test_server;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

async fn pool(max: usize, waiting: usize) -> (Database, test_server::TestDatabase) {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(max).max_waiting(waiting);
    let db = Database::connect(settings.idle_timeout(Duration::from_millis(50))).await.unwrap();
    (db, fresh)
}

/// Every connection is gone: the next caller needs one that is not there.
async fn emptied(db: &Database) {
    server::until("the pool is empty", server::PATIENCE, async || {
        db.pool_status().checked_in == 0 && db.pool_status().checked_out == 0
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_is_empty_serves_although_nobody_may_wait() {
    let (db, _fresh) = pool(2, 0).await;
    for _ in 0..3 {
        db.query_one("SELECT 1", &[]).await.expect("a connection may be opened for it");
        emptied(&db).await;
    }
}

#[tokio::test]
async fn a_burst_as_large_as_the_pool_is_served_while_it_still_grows() {
    for waiting in [0, 1] {
        let (db, _fresh) = pool(8, waiting).await;
        emptied(&db).await;
        let mut burst = JoinSet::new();
        for _ in 0..8 {
            let db = db.clone();
            burst.spawn(async move { db.query_one("SELECT pg_sleep(0.2)", &[]).await.map(drop) });
        }
        for answer in burst.join_all().await {
            answer.unwrap_or_else(|error| panic!("{waiting} may wait: {error}"));
        }
    }
}

#[tokio::test]
async fn one_more_than_there_can_be_is_refused_at_once() {
    let (db, _fresh) = pool(2, 0).await;
    let held = [db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    for priority in [Priority::High, Priority::Normal, Priority::Low] {
        let more = db.named("one more").priority(priority).acquire();
        let error = timeout(Duration::from_secs(1), more).await.expect("at once").unwrap_err();
        assert_eq!(error.fault(), Fault::QueueFull, "{error}");
    }
    drop(held);
    db.query_one("SELECT 1", &[]).await.expect("there is room again");
}

#[tokio::test]
async fn one_that_is_being_made_clean_is_waited_for() {
    let (db, _fresh) = pool(1, 0).await;
    for _ in 0..5 {
        let lease = db.acquire().await.unwrap();
        assert!(timeout(Duration::from_millis(20), lease.query("SELECT pg_sleep(5)", &[])).await.is_err());
        drop(lease);
        db.query_one("SELECT 1", &[]).await.expect("it comes home within a moment");
    }
}

#[tokio::test]
async fn what_is_kept_for_the_highest_priority_is_no_capacity_of_others() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(2).max_waiting(0).priority_reserve(1);
    let db = Database::connect(settings).await.unwrap();
    let _held = db.acquire().await.unwrap();
    let more = timeout(Duration::from_secs(1), db.acquire()).await.expect("at once");
    assert_eq!(more.unwrap_err().fault(), Fault::QueueFull);
    db.named("urgent").priority(Priority::High).acquire().await.expect("one is kept for it");
}
