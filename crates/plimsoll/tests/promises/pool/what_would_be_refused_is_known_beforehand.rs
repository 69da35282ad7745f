//! Whether work had better not begin is known without a wait and without a request: the breaker refuses, the pool is paused or
//! closed, or its queue is full. The error is the one that a call would get. While all is well there is none.

use crate::server::{self, PATIENCE, until};
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::test_server;
use std::time::Duration;

async fn database() -> (Database, test_server::TestDatabase) {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).max_waiting(1);
    (Database::connect(settings).await.unwrap(), fresh)
}

#[tokio::test]
async fn each_reason_is_told_and_ends() {
    let (db, _fresh) = database().await;
    assert!(db.refusal().is_none(), "nothing was asked for yet");
    db.query_one("SELECT 1", &[]).await.unwrap();
    assert!(db.refusal().is_none());

    db.isolate();
    let told = db.refusal().unwrap();
    let called = db.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((told.fault(), told.outcome()), (called.fault(), called.outcome()));
    assert_eq!((told.fault(), told.outcome()), (Fault::CircuitOpen, Outcome::NotStarted));
    db.resume();
    assert!(db.refusal().is_none());

    db.pause();
    let told = db.refusal().unwrap();
    assert_eq!(told.fault(), Fault::PoolExhausted);
    assert!(told.to_string().contains("paused"), "{told}");
    let after = told.retry_after().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&after), "{after:?}");
    db.resume();
    assert!(db.refusal().is_none());

    db.close().await;
    assert_eq!(db.refusal().unwrap().fault(), Fault::PoolClosed);
}

#[tokio::test]
async fn a_full_queue_is_told_until_there_is_a_place() {
    let (db, _fresh) = database().await;
    let lease = db.acquire().await.unwrap();
    assert!(db.refusal().is_none(), "there is a place in the queue");
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.query_one("SELECT 1", &[]).await.map(drop) }
    });
    until("one waits", PATIENCE, async || db.pool_status().waiting == 1).await;
    let told = db.refusal().unwrap();
    let called = db.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((told.fault(), called.fault()), (Fault::QueueFull, Fault::QueueFull));
    assert_eq!(db.pool_status().refused_full, 1, "to look is not to ask");
    drop(lease);
    waiting.await.unwrap().unwrap();
    assert!(db.refusal().is_none());
}
