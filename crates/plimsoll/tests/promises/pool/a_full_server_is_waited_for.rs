//! Callers of a pool for which the server has no connection left wait for one within their own limits. They are not told of
//! it before, the breaker does not open, and the error of a limit that passes names the numbers.

use crate::full_server;
use crate::server::{self, try_bare};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Fault};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode, test_server};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn longer_than_the_breaker_would_wait_and_by_every_caller() {
    let (_cluster, url) = full_server::of_five().await;
    let others = full_server::take_all(&url).await;
    let db = Database::connect(server::settings(&url).pool_max(3)).await.expect("a handle");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let db = db.clone();
        waiting.spawn(async move { db.query_one("SELECT 1", &[]).await.map(drop) });
    }
    let began = Instant::now();
    server::until("it was refused again and again", server::PATIENCE, async || {
        db.connection_budget().refusals >= 4 && began.elapsed() > Duration::from_secs(2)
    })
    .await;
    assert_eq!(waiting.try_join_next().map(|left| format!("{left:?}")), None, "a caller was told");
    let status = db.connection_budget();
    assert!(status.is_refused && status.allowed == 1, "{status:?}");
    drop(others);
    for left in waiting.join_all().await {
        left.expect("served once there was room");
    }
    assert_eq!(db.breaker().trips, 0);
    server::until("it may have all again", server::PATIENCE, async || db.connection_budget().allowed == 3)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_error_of_a_limit_that_passes_names_the_numbers() {
    let (cluster, url) = full_server::of_five().await;
    let db = Database::connect(server::settings(&url).pool_max(3)).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    server::until("it has read", server::PATIENCE, async || db.connection_budget().instances == Some(1))
        .await;
    // Its place is taken, and the heartbeat's is not.
    let mut others = full_server::fill(&url).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE usename = 'app' AND application_name NOT LIKE '%(heartbeat)' AND application_name <> ''";
    server::until("it has no connection", server::PATIENCE, async || {
        cluster.execute("postgres", kill).await.unwrap();
        others.extend(full_server::fill(&url).await);
        let pool = db.pool_status();
        others.len() >= 4 && pool.total_connections == 0
    })
    .await;
    server::until("it counts the others", server::PATIENCE, async || {
        db.connection_budget().others.is_some_and(|others| others >= 3)
    })
    .await;
    let limit = Duration::from_millis(1_500);
    let error = db.named("order").acquire_within(limit).acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::TooManyConnections, "{error}");
    for part in [
        "53300",
        "order",
        "live instances: 1",
        "the server's limit: 5",
        "the connection budget allows 1 of 3",
    ] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    assert_eq!(db.breaker().trips, 0);
}

/// A heartbeat that finds no connection gets one of the pool's: without it the others do not know of this instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heartbeat_gets_a_connection_of_the_pool() {
    let (cluster, url) = full_server::of_five().await;
    let db = Database::connect(server::settings(&url).pool_min(4).pool_max(4)).await.unwrap();
    server::until("it has its connections", server::PATIENCE, async || {
        db.pool_status().total_connections == 4
    })
    .await;
    let heartbeats = "FROM pg_stat_activity WHERE application_name LIKE '% # %(heartbeat)'";
    let kill = format!("SELECT pg_terminate_backend(pid) {heartbeats}");
    let mut others = Vec::new();
    server::until("the heartbeat's place is taken", server::PATIENCE, async || {
        cluster.execute("postgres", &kill).await.unwrap();
        others.extend(try_bare(&url).await);
        !others.is_empty() && others.iter().any(|other| !other.is_closed())
    })
    .await;
    server::until("it is back", server::PATIENCE, async || {
        let count = format!("SELECT count(*)::text AS n {heartbeats}");
        cluster.execute("postgres", &count).await.unwrap()[0]["n"] == "1"
    })
    .await;
    assert!(db.pool_status().total_connections <= 4);
    db.query_one("SELECT 1", &[]).await.unwrap();
}

/// Where the budget is off the breaker opens, as for any server that gives no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unless_the_budget_is_off() {
    let (_cluster, url) = full_server::of_five().await;
    let _others = full_server::take_all(&url).await;
    let settings = server::settings(&url).connection_budget(Enforcement::Off);
    let db = Database::connect(settings).await.unwrap();
    let _waiting = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(drop) }
    });
    server::until("it opens", server::PATIENCE, async || db.breaker().trips == 1).await;
    assert_eq!(db.connection_budget().refusals, 0);
}

/// A pooler that has as many clients as it may have says so in words of its own.
async fn a_full_pooler_is_called_full_and_waited_for(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("max_client_conn", "4")
        .start()
        .await
        .unwrap();
    let url = bouncer.url(server.name());
    let db = Database::connect(server::settings(&url).pool_min(1).pool_max(3)).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    let mut others = full_server::fill(&url).await;
    let held = db.acquire().await.unwrap();
    let error = db.named("order").acquire_within(Duration::from_millis(600)).acquire().await.unwrap_err();
    assert!(error.to_string().contains("the server refused more"), "{error}");
    let refused = db.connection_budget();
    assert!(refused.is_refused && refused.granted.is_none() && refused.instances.is_none(), "{refused:?}");
    drop(held);
    others.clear();
    let both = [db.acquire().await.unwrap(), db.named("b").acquire().await.unwrap()];
    drop(both);
    assert_eq!(db.breaker().trips, 0);
    // With all places taken from the beginning.
    db.close().await;
    let mut others = Vec::new();
    server::until("the pooler is full", server::PATIENCE, async || {
        others.extend(full_server::fill(&url).await);
        others.len() == 4
    })
    .await;
    let db = Database::connect(server::settings(&url).pool_max(2)).await.expect("a handle");
    let error = db.named("order").acquire_within(Duration::from_millis(300)).acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::TooManyConnections, "{error}");
    drop(others);
    db.query_one("SELECT 1", &[]).await.expect("and served once there is a place");
}

plimsoll_embedded::on_each_pgbouncer!(a_full_pooler_is_called_full_and_waited_for);
