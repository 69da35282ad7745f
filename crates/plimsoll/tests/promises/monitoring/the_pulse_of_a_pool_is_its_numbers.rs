//! The pulse of a pool is its numbers at that moment, and the wait events are what the heartbeat has last read.

use crate::server::{self, PATIENCE, until};
use plimsoll_embedded::test_server;

#[tokio::test]
async fn it_moves_with_the_work() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let before = db.monitor().pulse();
    let lease = db.acquire().await.unwrap();
    lease.query("SELECT pg_sleep(0.02)", &[]).await.unwrap();
    lease.query("SELECT 1 / 0", &[]).await.unwrap_err();
    let now = db.monitor().pulse();
    assert_eq!((now.executed - before.executed, now.failed - before.failed), (2, 1));
    assert_eq!((now.pool.checked_out, now.pool.leases.len()), (1, 0), "leases are not told");
    assert!(now.server.p99 >= 20.0 && now.server.p50 <= now.server.p95, "{now:?}");
    assert!(now.wait.p99 > 0.0 && now.connect.count > 0, "{now:?}");
    drop(lease);
    until("it is back", PATIENCE, async || db.monitor().pulse().pool.checked_out == 0).await;
}

#[tokio::test]
async fn what_sessions_wait_for_is_known_within_seconds() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let sleeping = db.query("SELECT pg_sleep(60)", &[]);
    let told = async || {
        let told = db.monitor().wait_events();
        told.is_some_and(|told| told.events.iter().any(|one| one.event == "PgSleep" && one.sessions == 1))
    };
    tokio::select! {
        answer = sleeping => panic!("{answer:?}"),
        () = until("it is told", PATIENCE, told) => {}
    }
    let gone = async || db.monitor().wait_events().is_some_and(|told| told.events.is_empty());
    until("it is over", PATIENCE, gone).await;
}
