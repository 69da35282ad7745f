//! Minimum, maximum, overflow, idleness, age, resizing; and an end that always comes.

use crate::server;
use plimsoll::settings::Limit;
use plimsoll::{BreakerState, Database, Fault};
use plimsoll_embedded::{Cluster, StopMode, test_server};
use plimsoll_faults::Process;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minimum_is_kept_warm_and_idleness_closes_the_rest() {
    let fresh = test_server::database().await.unwrap();
    let settings =
        server::settings_for(&fresh).await.pool_min(2).pool_max(5).idle_timeout(Duration::from_millis(300));
    let db = Database::connect(settings).await.unwrap();
    server::until("the minimum is open", server::PATIENCE, async || db.pool_status().total_connections == 2)
        .await;
    let leases = [
        db.acquire().await.unwrap(),
        db.acquire().await.unwrap(),
        db.acquire().await.unwrap(),
        db.acquire().await.unwrap(),
    ];
    assert_eq!(db.pool_status().checked_out, 4);
    drop(leases);
    server::until("the idle ones are closed", server::PATIENCE, async || {
        db.pool_status().total_connections == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overflow_is_closed_when_given_back() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1).max_overflow(2)).await.unwrap();
    let leases = [db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let status = db.pool_status();
    assert_eq!((status.size, status.overflow, status.checked_out, status.checked_in), (1, 2, 3, 0));
    drop(leases);
    server::until("the overflow is gone", server::PATIENCE, async || db.pool_status().total_connections == 1)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_is_replaced_and_not_all_at_once() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh)
        .await
        .pool_min(3)
        .pool_max(3)
        .idle_timeout(None)
        .max_lifetime(Duration::from_millis(700))
        .lifetime_jitter(0.5);
    let db = Database::connect(settings).await.unwrap();
    server::until("the pool is full", server::PATIENCE, async || db.pool_status().total_connections == 3)
        .await;
    server::until("each was replaced", server::PATIENCE, async || db.pool_status().opened >= 6).await;
    db.query("select 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_resized() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let held = db.acquire().await.unwrap();
    let waits = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await }
    });
    server::until("one waits", server::PATIENCE, async || db.pool_status().waiting == 1).await;
    db.resize(0, 2);
    let second = waits.await.unwrap().expect("there is room now");
    db.resize(0, 1);
    drop((held, second));
    server::until("the surplus is closed", server::PATIENCE, async || {
        db.pool_status().total_connections == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resized_it_says_what_holds_now_and_keeps_its_overflow() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(3).max_overflow(2);
    let db = Database::connect(settings).await.unwrap();
    for ((min, max), holds) in [((0, 2), (0, 2)), ((0, 0), (0, 1)), ((7, 1), (1, 1))] {
        let size = db.resize(min, max);
        assert_eq!(((size.min, size.max), size.overflow), (holds, 2), "{min}, {max}");
    }
    let leases = [db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let late = db.named("fourth").acquire_within(Duration::from_millis(50)).acquire().await.unwrap_err();
    assert_eq!(late.fault(), Fault::PoolExhausted, "{late}");
    drop(leases);
    server::until("the overflow is gone", server::PATIENCE, async || db.pool_status().total_connections == 1)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_ends_even_what_never_comes_back() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(2).close_timeout(Duration::from_millis(400));
    let db = Database::connect(settings).await.unwrap();
    let held = db.acquire().await.unwrap();
    let polite = db.acquire().await.unwrap();
    let waiter = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(drop) }
    });
    server::until("one waits", server::PATIENCE, async || db.pool_status().waiting == 1).await;
    let begun = Instant::now();
    let closing = tokio::spawn({
        let db = db.clone();
        async move { db.close().await }
    });
    assert_eq!(waiter.await.unwrap().expect_err("sent away").fault(), Fault::PoolClosed);
    drop(polite);
    closing.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(350) && begun.elapsed() < Duration::from_secs(2));
    assert_eq!(db.acquire().await.expect_err("closed").fault(), Fault::PoolClosed);
    held.query("select 1", &[]).await.expect_err("it was ended");
    drop(held);
    server::until("nothing is left", server::PATIENCE, async || db.pool_status().total_connections == 0)
        .await;
}

/// A table whose COMMIT takes its time.
const SLOW_COMMIT: &str = "CREATE TABLE slow (n int); CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END'; CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON slow \
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nap()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_all_that_is_left_is_let_finish() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute(SLOW_COMMIT).await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).close_timeout(Duration::from_millis(100));
    let db = Database::connect(settings).await.unwrap();
    let writer = db.clone();
    let commits = tokio::spawn(async move {
        writer.transaction(async |tx| tx.execute("INSERT INTO slow VALUES (1)", &[]).await).await
    });
    let at_work = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND state = 'active' AND query = 'COMMIT'";
    server::until("it is at it", server::PATIENCE, async || server::text(&fresh, at_work).await == "1").await;
    let report = db.shutdown().await;
    assert_eq!((report.cancelled, report.ended), (0, 0), "{report:?}");
    assert_eq!(commits.await.unwrap().expect("a COMMIT is let finish"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_on_at_the_end_is_stopped_on_the_server_and_a_commit_is_not() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute(SLOW_COMMIT).await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(3).close_timeout(Duration::from_millis(200));
    let db = Database::connect(settings).await.unwrap();
    let (sleeper, writer) = (db.clone(), db.clone());
    let sleeps = tokio::spawn(async move { sleeper.execute("SELECT pg_sleep(30)", &[]).await });
    let commits = tokio::spawn(async move {
        writer.transaction(async |tx| tx.execute("INSERT INTO slow VALUES (1)", &[]).await).await
    });
    let at_work = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
                   AND state = 'active' AND query IN ('COMMIT', 'SELECT pg_sleep(30)')";
    server::until("both are at it", server::PATIENCE, async || server::text(&fresh, at_work).await == "2")
        .await;
    let report = db.shutdown().await;
    assert_eq!((report.cancelled, report.ended), (1, 0), "{report:?}");
    assert!(report.took < Duration::from_secs(5), "{report:?}");
    let error = sleeps.await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), plimsoll::Outcome::RolledBack, "{error}");
    assert_eq!(commits.await.unwrap().expect("a COMMIT is let finish"), 1);
    assert_eq!(server::text(&fresh, at_work).await, "0", "nothing runs on");
    assert_eq!(server::text(&fresh, "SELECT count(*)::text FROM slow").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_nobody_has_closes_its_connections() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_min(2)).await.unwrap();
    server::until("the minimum is open", server::PATIENCE, async || db.pool_status().total_connections == 2)
        .await;
    drop(db);
    server::until("the backends are gone", server::PATIENCE, async || {
        let open = "select count(*)::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
        server::text(&fresh, open).await == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_that_is_under_way_does_not_hold_the_end() {
    let cluster = Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.url("postgres")).pool_max(2).heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let held = db.acquire().await.unwrap();
    let frozen = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    frozen.freeze().await.unwrap();
    let waits = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await }
    });
    server::until("a connect is under way", server::PATIENCE, async || db.pool_status().connecting == 1)
        .await;
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    drop(held);
    assert_eq!(db.pool_status().connecting, 1, "it belongs to the pool");
    let report = db.shutdown().await;
    assert!(report.took < Duration::from_secs(2), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_within_a_limit_of_its_own_stops_what_runs_before_it_is_over() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.reclaim_timeout(Duration::from_secs(2));
    let db = Database::connect(settings).await.unwrap();
    let runs = tokio::spawn({
        let db = db.clone();
        async move { db.query("SELECT pg_sleep(60)", &[]).await }
    });
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' \
                   AND pid <> pg_backend_pid() AND datname = current_database()";
    server::until("it runs", server::PATIENCE, async || server::text(&fresh, running).await == "1").await;
    // Its own limits are 10 s and 2 s.
    let report = db.shutdown_within(Duration::from_secs(3)).await;
    assert!(
        report.took >= Duration::from_secs(1) && report.took < Duration::from_millis(3_500),
        "{report:?}"
    );
    assert_eq!(report.cancelled, 1, "{report:?}");
    assert!(runs.await.unwrap().is_err());
    assert_eq!(server::text(&fresh, running).await, "0");
}

/// What each kind of call is refused with.
async fn refusals(db: &Database) -> Vec<Fault> {
    let refused = [
        db.query_one("SELECT 1", &[]).await.map(drop),
        db.transaction(async |tx| tx.execute("SELECT 1", &[]).await.map(drop)).await,
        db.named("read").read_only().query("SELECT 1", &[]).await.map(drop),
        db.acquire().await.map(drop),
        db.begin().await.map(drop),
        db.refusal().map_or(Ok(()), Err),
    ];
    refused.into_iter().map(|end| end.expect_err("it is refused").fault()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_it_says_so_whatever_the_breaker_says() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.isolate();
    assert_eq!(refusals(&db).await, [Fault::CircuitOpen; 6], "it is open still");
    let refused = db.breaker().refused;
    db.shutdown().await;
    assert_eq!(refusals(&db).await, [Fault::PoolClosed; 6]);
    assert_eq!(db.breaker().refused, refused, "the breaker has refused none of these");

    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("postgres"))).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    server::until("the breaker is open", server::PATIENCE, async || db.breaker().state == BreakerState::Open)
        .await;
    db.shutdown().await;
    assert_eq!(refusals(&db).await, [Fault::PoolClosed; 6]);
}
