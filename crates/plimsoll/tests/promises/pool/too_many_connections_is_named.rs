//! A server that has no connection left is named as that, and the pool heals when there is one again.

use crate::full_server;
use crate::server::{self, bare, try_bare};
use plimsoll::{Database, Fault, Outcome};
use plimsoll_faults::Proxy;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_wait_for_a_full_server_do_not_storm_it() {
    let (cluster, url) = full_server::of_five().await;
    let wire = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let over = url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let _others = full_server::take_all(&url).await;
    let db = Database::connect(server::settings(&over).pool_max(50)).await.unwrap();
    let span = Duration::from_secs(3);
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let db = db.clone();
        waiting.spawn(async move {
            let end = Instant::now() + span;
            while Instant::now() < end {
                let _ = db.named("order").acquire_within(Duration::from_millis(200)).acquire().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    waiting.join_all().await;
    let tried = wire.accepted();
    println!("{tried} connects in {span:?}");
    // The pool's pauses grow from 50 ms to 1 s, with a few at a time; and the heartbeat has pauses of its own.
    assert!(tried <= 40, "{tried} connects to a full server in {span:?}");
    assert!(tried >= 3, "it went on trying: {tried}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_has_connections_goes_on_working_on_a_full_server() {
    let (cluster, url) = full_server::of_five().await;
    // One for the heartbeat and two for the pool, which would like four.
    let db = Database::connect(server::settings(&url).pool_min(4).pool_max(4)).await.unwrap();
    let count = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE usename = 'app'";
    server::until("it has its connections", server::PATIENCE, async || {
        cluster.execute("postgres", count).await.unwrap()[0]["n"] == "5"
    })
    .await;
    // The heartbeat's and two others are ended, and their places taken.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' \
                ORDER BY application_name LIKE '%(heartbeat)' DESC LIMIT 3";
    cluster.execute("postgres", kill).await.unwrap();
    let mut others = Vec::new();
    server::until("their places are taken", server::PATIENCE, async || {
        others.extend(try_bare(&url).await);
        others.len() >= 3 || db.pool_status().connect_failures > 0 && !others.is_empty()
    })
    .await;
    // Long enough for the breaker to open, if it were to.
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
        db.query_one("SELECT 1", &[]).await.expect("the pool's own connections are as good as before");
    }
    assert!(db.pool_status().connect_failures > 0, "nothing was refused: {:?}", db.pool_status());
    assert_eq!(db.breaker().trips, 0, "{:?}", db.breaker());
}

#[tokio::test]
async fn a_full_server_is_called_full_and_heals() {
    let (_cluster, url) = full_server::of_five().await;
    let settings = server::settings(&url)
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1));
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(bare(&url).await);
    }
    let db = Database::connect(settings).await.expect("a full server gives a handle: it may have room again");
    let error = db.named("order").acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::TooManyConnections, "{error}");
    assert_eq!(error.outcome(), Outcome::NotStarted);
    assert_eq!(error.sqlstate().unwrap().code(), "53300");
    for part in ["53300", "order", "lower pool_max"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.ready_within(server::PATIENCE).await }
    });
    drop(others);
    tokio::time::timeout(server::PATIENCE, waiting).await.expect("healed").unwrap().unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
}
