//! How the database is can be asked often and by everybody: one question is out at a time, its answer is kept until
//! something contradicts it, and a pool that is used up is not a database that is down.

use crate::log::Log;
use crate::server::{self, event, settings, settings_for, until};
use plimsoll::event::Event;
use plimsoll::settings::Limit;
use plimsoll::{BreakerState, Database, Fault, HealthState, deadline};
use plimsoll_embedded::{Cluster, StopMode, test_server};
use plimsoll_faults::Process;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_healthy_answer_has_its_figures_and_is_kept_until_it_is_forced() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let first = db.health(false).await;
    assert_eq!((first.state, first.reasons.as_slice()), (HealthState::Healthy, &[][..]), "{first:?}");
    let sessions =
        server::text(&fresh, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            .await;
    let most = server::text(&fresh, "SELECT current_setting('max_connections')").await;
    assert!(first.latency.is_some_and(|latency| latency > Duration::ZERO), "{first:?}");
    // The test's own session may have come or gone between the two.
    let counted: u32 = sessions.parse().unwrap();
    assert!(first.connections.unwrap().abs_diff(counted) <= 1, "{first:?} and {counted}");
    assert_eq!(first.max_connections, Some(most.parse().unwrap()));

    let kept = db.health(false).await;
    assert_eq!(kept.latency, first.latency, "the same answer");
    assert!(kept.age > Duration::ZERO, "and it says how old it is: {kept:?}");
    let forced = db.health(true).await;
    assert_ne!(forced.latency, first.latency, "forced, the server is asked: {forced:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_ask_at_once_are_one_question() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    // What holds the question up is the same for all: the only processor of the answer is the server.
    let start = std::sync::Arc::new(tokio::sync::Barrier::new(100));
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let (db, start) = (db.clone(), std::sync::Arc::clone(&start));
        asking.spawn(async move {
            start.wait().await;
            db.health(true).await.latency
        });
    }
    let answers: BTreeSet<_> = asking.join_all().await.into_iter().collect();
    // Whoever asks while a question is out takes its answer; only who comes later than that asks anew.
    assert!(answers.len() <= 10, "{} questions for a hundred who asked", answers.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_database_is_asked_once_by_all_who_come_meanwhile_and_none_waits_longer_than_the_limit() {
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
    assert_eq!(db.health(false).await.state, HealthState::Healthy);
    let process = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let mut events = db.events();
    process.freeze().await.unwrap();
    until("it is not ready", server::PATIENCE, async || !db.readiness().is_ready).await;
    let health = db.health(false).await;
    assert_ne!(health.state, HealthState::Healthy, "what was known is not all that is known: {health:?}");
    until("what was known is void", server::PATIENCE, async || db.breaker().state == BreakerState::Open)
        .await;
    let mut asking = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for n in 0..20 {
        ticks.tick().await;
        let db = db.clone();
        asking.spawn(async move {
            let asked = Instant::now();
            (db.health(n % 2 == 0).await.state, asked.elapsed())
        });
    }
    let asked = Instant::now();
    let in_a_hurry = deadline::within(Duration::from_millis(100), db.health(true)).await;
    assert_eq!(in_a_hurry.state, HealthState::Down, "{in_a_hurry:?}");
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    for (state, took) in asking.join_all().await {
        assert_eq!(state, HealthState::Down);
        assert!(took < Duration::from_millis(3_500), "it took {took:?}");
    }
    process.thaw().unwrap();
    until("it is healthy", server::PATIENCE, async || db.health(true).await.state == HealthState::Healthy)
        .await;
    let mut failed = 0;
    while let Ok(event) = events.try_recv() {
        failed += usize::from(matches!(event, Event::HealthCheckFailed { .. }));
    }
    assert_eq!(failed, 1, "one question for all of them");
}

#[tokio::test]
async fn without_a_heartbeat_it_still_keeps_one_connection_and_a_closed_pool_opens_none() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await.heartbeat(Limit::Off)).await.unwrap();
    let sessions = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(db.health(true).await.state, HealthState::Healthy);
    let first = server::text(&fresh, sessions).await;
    for _ in 0..3 {
        assert_eq!(db.health(true).await.state, HealthState::Healthy);
    }
    // The session that looked before may still be ending.
    until("they are the same sessions as before", server::PATIENCE, async || {
        server::text(&fresh, sessions).await == first
    })
    .await;
    db.close().await;
    let health = db.health(true).await;
    assert_eq!(health.state, HealthState::Down);
    assert_eq!(health.reasons, ["Database unhealthy: the pool is closed"]);
    until("nothing stays open", server::PATIENCE, async || server::text(&fresh, sessions).await.is_empty())
        .await;
}

#[tokio::test]
async fn a_paused_pool_is_ready_and_degraded() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.pause();
    let health = db.health(false).await;
    assert_eq!(health.state, HealthState::Degraded, "{health:?}");
    assert_eq!(health.reasons, ["the pool is paused: calls wait until it is resumed"]);
    assert!(db.readiness().is_ready);
    db.resume();
    assert_eq!(db.health(false).await.state, HealthState::Healthy);
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_degraded_and_not_down() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await.pool_max(1)).await.unwrap();
    assert_eq!(db.health(false).await.state, HealthState::Healthy);
    let held = db.acquire().await.unwrap();
    let waiter = tokio::spawn({
        let db = db.clone();
        async move { db.query_one("SELECT 1", &[]).await.map(drop) }
    });
    until("somebody waits", server::PATIENCE, async || db.pool_status().waiting == 1).await;
    let health = db.health(false).await;
    assert_eq!(health.state, HealthState::Degraded, "{health:?}");
    assert_eq!(health.reasons, ["pool exhausted: 1 of 1 connections lent, 1 callers waiting"]);
    assert!(health.latency.is_some(), "the database did answer: {health:?}");
    assert!(db.readiness().is_ready, "and calls are worth sending");
    drop(held);
    waiter.await.unwrap().unwrap();
    let health = db.health(false).await;
    assert_eq!(health.state, HealthState::Healthy, "and it is over when it is over: {health:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_fault_makes_the_kept_answer_void() {
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
    let lease = db.acquire().await.unwrap();
    assert_eq!(db.health(false).await.state, HealthState::Healthy);
    let mut events = db.events();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    let lost = lease.query_one("SELECT 1", &[]).await.unwrap_err();
    assert!(lost.fault().is_connectivity(), "{lost}");

    let health = db.health(false).await;
    assert_eq!(health.state, HealthState::Down, "{health:?}");
    let told = health.reasons.join(" ");
    assert!(told.starts_with("Database unhealthy: PL-CON-"), "{told}");
    for inside in ["127.0.0.1", "postgres:", "password", "/tmp"] {
        assert!(!told.contains(inside), "{inside} is not for the public: {told}");
    }
    let fault = event("a failed check", &mut events, |event| match event {
        Event::HealthCheckFailed { fault, reason } => {
            assert!(!reason.is_empty());
            Some(*fault)
        }
        _ => None,
    })
    .await;
    assert!(fault.is_connectivity(), "{fault:?}");
    cluster.start_again().await.unwrap();
    until("it is healthy again", server::PATIENCE, async || {
        db.health(false).await.state == HealthState::Healthy
    })
    .await;
}

#[tokio::test]
async fn how_full_it_is_is_told_in_numbers() {
    let fresh = test_server::database().await.unwrap();
    let sql = "CREATE TABLE large AS SELECT n, repeat('x', 100) AS t FROM generate_series(1, 5000) AS n; \
               CREATE INDEX ON large (n); CREATE TABLE \"Small One\" (n int); ANALYZE";
    fresh.execute(sql).await.unwrap();
    let db = server::database(&fresh).await;
    let capacity = db.capacity().await.unwrap();
    let sizes = "SELECT pg_total_relation_size('large') || ' ' || pg_table_size('large') || ' ' || \
                 pg_indexes_size('large')";
    let largest = &capacity.top_tables[0];
    assert_eq!(largest.name, "public.large");
    assert_eq!(
        format!("{} {} {}", largest.total_bytes, largest.data_bytes, largest.index_bytes),
        server::text(&fresh, sizes).await
    );
    assert_eq!(largest.total_bytes, largest.data_bytes + largest.index_bytes);
    assert_eq!(largest.total_mb(), (largest.total_bytes as f64 / 10485.76).round() / 100.0);
    assert_eq!(capacity.top_tables[1].name, "public.Small One");
    assert!(capacity.db_size_bytes > largest.total_bytes && capacity.db_size_mb() > largest.total_mb());
    assert!((1..=capacity.connections_max).contains(&capacity.connections_used), "{capacity:?}");
    assert!((0.0..=100.0).contains(&capacity.connections_pct()), "{capacity:?}");
}

#[tokio::test]
async fn and_its_failure_reaches_whoever_asked() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    db.close().await;
    let (log, _guard) = Log::start();
    let error = db.capacity().await.unwrap_err();
    assert_eq!(error.fault(), Fault::PoolClosed, "{error}");
    assert!(error.to_string().contains("capacity"), "{error}");
    let words = format!("Failed to get Postgres capacity: {error}");
    assert!(log.mentions(tracing::Level::ERROR, &words), "{}", log.text());
}

#[tokio::test]
async fn a_check_that_failed_is_in_the_log() {
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    let (log, _guard) = Log::start();
    assert_eq!(db.health(true).await.state, HealthState::Down);
    assert!(log.mentions(tracing::Level::ERROR, "Postgres health check failed: PL-"), "{}", log.text());
}
