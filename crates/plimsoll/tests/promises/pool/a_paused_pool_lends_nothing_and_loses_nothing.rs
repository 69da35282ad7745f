//! Paused, a pool lends nothing: what is out comes home and stays, callers wait by their own limits and are told why;
//! resumed, whoever waits is served.

use crate::server;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_are_served_when_it_is_resumed() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(2)).await.unwrap();
    let held = db.acquire().await.unwrap();
    db.pause();
    assert!(db.is_paused() && db.pool_status().is_paused);
    let row = held.query_one("SELECT 7", &[]).await.expect("what is lent goes on");
    assert_eq!(row.get::<_, i32>(0), 7);
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.query_one("SELECT 1", &[]).await.map(drop) })
        })
        .collect();
    server::until("five wait", server::PATIENCE, async || db.pool_status().waiting == 5).await;
    drop(held);
    server::until("it is home", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
    assert_eq!((db.pool_status().waiting, db.pool_status().checked_in >= 1), (5, true), "idle, and not lent");
    db.resume();
    for task in waiting {
        task.await.unwrap().expect("served after the pause");
    }
    assert!(!db.is_paused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_limit_comes_meanwhile_is_told_of_the_pause() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.pause();
    let limit = Duration::from_millis(100);
    let error = db.named("report").acquire_within(limit).acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::PoolExhausted);
    assert!(error.to_string().contains("the pool is paused"), "{error}");
    let error = db.named("report").within(limit).query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::DeadlinePassed);
    assert!(error.to_string().contains("the pool is paused"), "{error}");
    db.resume();
    let error = db.named("report").query_one("SELECT 1", &[]).await.map(drop);
    assert!(error.is_ok(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_pool_can_be_closed() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.pause();
    let waiter = {
        let db = db.clone();
        tokio::spawn(async move { db.acquire().await.map(drop) })
    };
    server::until("one waits", server::PATIENCE, async || db.pool_status().waiting == 1).await;
    db.close().await;
    assert_eq!(waiter.await.unwrap().unwrap_err().fault(), Fault::PoolClosed);
}
