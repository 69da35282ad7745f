//! Where no connection has ever been opened, nobody waits in silence: as soon as the breaker opens, whoever waits is told
//! why, by a call as by `ready`; and whoever would rather wait on says for how long.

use crate::server;
use plimsoll::{BreakerState, Database, Fault, Outcome, deadline};
use plimsoll_embedded::{Cluster, StopMode};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The breaker opens after 0.9 s; the rest is for a machine that is busy.
const SOON: Duration = Duration::from_secs(4);

async fn away() -> (Cluster, Database) {
    let cluster = Cluster::start().await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    // By their defaults calls would wait for thirty seconds.
    let settings = plimsoll::Settings::from_url(cluster.url("postgres")).unwrap().pool_min(0).pool_max(2);
    let db = Database::connect(settings).await.expect("a handle that heals");
    (cluster, db)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_and_ready_are_told_when_the_breaker_opens() {
    let (_cluster, db) = away().await;
    let began = Instant::now();
    let (call, lease, ready) = tokio::join!(
        timeout(SOON, db.query("SELECT 1", &[])),
        timeout(SOON, db.acquire()),
        timeout(SOON, db.ready())
    );
    let told = [
        call.expect("the call").map(drop),
        lease.expect("the lease").map(drop),
        ready.expect("ready").map(drop),
    ];
    for error in told.map(|told| told.unwrap_err()) {
        assert!(error.fault().is_connectivity(), "{error}");
        assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
    assert!(began.elapsed() >= Duration::from_millis(500), "a stall is not told: {:?}", began.elapsed());
    assert_eq!(db.breaker().state, BreakerState::Open);
    assert_eq!(db.query("SELECT 1", &[]).await.unwrap_err().fault(), Fault::CircuitOpen);
    // Asked while it is open, it looks once more and then says so.
    let error = timeout(SOON, db.ready()).await.expect("it is told").unwrap_err();
    assert!(error.fault().is_connectivity(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_within_waits_on_until_the_server_is_there() {
    let (cluster, db) = away().await;
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.ready_within(server::PATIENCE).await }
    });
    server::until("the breaker is open", SOON, async || db.breaker().state == BreakerState::Open).await;
    assert!(!waiting.is_finished(), "it waits on");
    cluster.start_again().await.unwrap();
    waiting.await.unwrap().expect("ready");
    db.query_one("SELECT 1", &[]).await.expect("calls go through");
}

#[tokio::test]
async fn ready_within_ends_in_time_and_says_what_was_in_the_way() {
    let (_cluster, db) = away().await;
    let began = Instant::now();
    let error = db.ready_within(Duration::from_millis(300)).await.unwrap_err();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(900), "{took:?}");
    assert_eq!(error.fault(), Fault::Unreachable, "{error}");
    let earlier = deadline::within(Duration::from_millis(100), db.ready_within(SOON)).await.unwrap_err();
    assert_eq!(earlier.fault(), Fault::DeadlinePassed, "{earlier}");
}

/// An outage later on is waited out as ever: who waits then has his own limit, and the pool has proved that it can connect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_there_was_a_connection_waiters_wait_by_their_own_limits() {
    let cluster = Cluster::start().await.unwrap();
    let settings = plimsoll::Settings::from_url(cluster.url("postgres")).unwrap().pool_min(0).pool_max(1);
    let db = Database::connect(settings).await.unwrap();
    let held = db.acquire().await.unwrap();
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.query_one("SELECT 1", &[]).await.map(drop) }
    });
    server::until("it waits", SOON, async || db.pool_status().waiting == 1).await;
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    drop(held);
    server::until("the breaker is open", SOON, async || db.breaker().state == BreakerState::Open).await;
    cluster.start_again().await.unwrap();
    timeout(server::PATIENCE, waiting).await.expect("served").unwrap().expect("served");
}
