//! A connect belongs to the pool: it goes on when the caller who needed it has left. And however many wait, only a few
//! connects are under way at a time.

use crate::server::{self, PATIENCE, settings_for, until};
use plimsoll::settings::Limit;
use plimsoll::{Database, Fault, deadline};
use plimsoll_embedded::test_server;
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_faults::{Direction, Fault as Broken, Proxy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_connect_goes_on_when_its_caller_has_left() {
    let server = test_server::database().await.unwrap();
    let proxy = Proxy::in_front_of((server.server().host(), server.server().port())).await.unwrap();
    let settings = settings_for(&server).await.hosts(format!("127.0.0.1:{}", proxy.port())).pool_max(2);
    // The heartbeat has one of its own, which is not counted here.
    let db = Database::connect(settings.heartbeat(Limit::Off)).await.unwrap();
    let first = db.acquire().await.unwrap();
    proxy.set(Broken::delay(Direction::Both, Duration::from_millis(60)));
    for _ in 0..20 {
        let impatient = deadline::within(Duration::from_millis(1), db.acquire()).await;
        assert_eq!(impatient.unwrap_err().fault(), Fault::DeadlinePassed);
    }
    assert_eq!(proxy.accepted(), 2, "one connect for all of them");
    until("the connection has come, with nobody waiting", PATIENCE, async || {
        db.pool_status().checked_in == 1
    })
    .await;
    proxy.clear();
    let second = deadline::within(Duration::from_millis(1_000), db.acquire()).await.unwrap();
    second.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(proxy.accepted(), 2);
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_waiters_are_served_by_a_few_connects_at_a_time() {
    let cluster = Cluster::builder().setting("max_connections", "40").start().await.unwrap();
    let proxy = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let settings = server::settings(&cluster.url("postgres"))
        .hosts(format!("127.0.0.1:{}", proxy.port()))
        .pool_max(12)
        .connect_limit(3)
        .pool_timeout(Duration::from_secs(20));
    // The heartbeat has one of its own, which is not counted here.
    let db = Database::connect(settings.heartbeat(Limit::Off)).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();

    let most_connecting = Arc::new(AtomicUsize::new(0));
    let most_there = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn({
        let (db, connecting, there, is_over) =
            (db.clone(), Arc::clone(&most_connecting), Arc::clone(&most_there), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::SeqCst) {
                let status = db.pool_status();
                connecting.fetch_max(status.connecting, Ordering::SeqCst);
                there.fetch_max(status.total_connections + status.connecting, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let db = db.clone();
        tasks.spawn(async move { db.query_one("SELECT pg_sleep(0.002)", &[]).await.map(drop) });
    }
    until("all of them wait", PATIENCE, async || db.pool_status().waiting >= 490).await;
    let accepted_before = proxy.accepted();
    proxy.set(Broken::delay(Direction::Both, Duration::from_millis(5)));
    cluster.start_again().await.unwrap();
    let mut lost = 0;
    while let Some(answer) = tasks.join_next().await {
        // One may have been lent the connection that was dying.
        match answer.unwrap() {
            Ok(()) => {}
            Err(error) if error.fault().is_connectivity() => lost += 1,
            Err(error) => panic!("{error}"),
        }
    }
    is_over.store(true, Ordering::SeqCst);
    watch.await.unwrap();
    assert!(lost <= 1, "{lost} were lost");
    assert!(
        most_connecting.load(Ordering::SeqCst) <= 3,
        "{} connects at once",
        most_connecting.load(Ordering::SeqCst)
    );
    assert!(most_there.load(Ordering::SeqCst) <= 12, "{} connections", most_there.load(Ordering::SeqCst));
    assert!(proxy.connections() <= 12, "{}", proxy.connections());
    let accepted = proxy.accepted() - accepted_before;
    assert!(accepted < 12 + 3 + 30, "{accepted} connects for 12 connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_who_try_again_behind_an_open_breaker_make_no_storm_either() {
    const SIZE: usize = 8;
    let cluster = Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.url("postgres")).pool_max(SIZE).connect_limit(3);
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    until("the breaker is open", PATIENCE, async || !db.readiness().is_ready).await;

    let most_connecting = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let (db, most) = (db.clone(), Arc::clone(&most_connecting));
        tasks.spawn(async move {
            // As a client does that is told to come again, only more hastily.
            while db.query_one("SELECT pg_sleep(0.002)", &[]).await.is_err() {
                most.fetch_max(db.pool_status().connecting, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            most.fetch_max(db.pool_status().connecting, Ordering::SeqCst);
        });
    }
    let (opened, failed) = (db.pool_status().opened, db.pool_status().connect_failures);
    cluster.start_again().await.unwrap();
    let began = std::time::Instant::now();
    until("the first of them is served", PATIENCE, async || db.pool_status().opened > opened).await;
    let mut in_the_first_second = 0;
    while began.elapsed() < Duration::from_secs(1) {
        in_the_first_second = db.pool_status().opened - opened;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tasks.join_all().await;
    let status = db.pool_status();
    println!(
        "{in_the_first_second} in the first second, {} failed meanwhile",
        status.connect_failures - failed
    );
    assert!(in_the_first_second <= SIZE as u64, "{in_the_first_second} in the first second");
    assert!(status.opened - opened <= SIZE as u64, "{status:?}");
    let most = most_connecting.load(Ordering::SeqCst);
    assert!(most <= 3, "{most} connects at once");
}
