//! A caller that does not want to wait is lent what is idle, unless one that waits comes first; and if nothing is, it is
//! told so at once, without a place in the queue, and by `try_acquire` without an error.

use crate::server::{self, PATIENCE, until};
use plimsoll::event::Event;
use plimsoll::pool::Priority;
use plimsoll::{Database, Error, Fault, PooledConnection, Settings, deadline};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::{Direction, Fault as Broken, Proxy};
use std::time::{Duration, Instant};

/// A pool whose so many connections are all idle.
async fn idle(
    count: usize,
    change: impl FnOnce(Settings) -> Settings,
) -> (Database, test_server::TestDatabase) {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_min(count).pool_max(count);
    let db = Database::connect(change(settings)).await.unwrap();
    until("all are idle", PATIENCE, async || db.pool_status().checked_in == count).await;
    (db, fresh)
}

/// Asks in both ways, which must agree.
async fn at_once(db: &Database) -> Option<PooledConnection> {
    let tried = db.named("try").try_acquire().await.unwrap();
    let given = db.named("at once").acquire_within(Duration::ZERO).acquire().await;
    match given {
        Ok(lease) => {
            assert!(tried.is_some(), "the second got one, and the first did not");
            Some(lease)
        }
        Err(error) => {
            assert_eq!(error.fault(), Fault::PoolExhausted, "{error}");
            tried
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_lent_and_are_what_they_should_be() {
    let (db, _fresh) = idle(2, |settings| settings).await;
    let first = db.try_acquire().await.unwrap().expect("two are idle");
    let second = db.named("at once").acquire_within(Duration::ZERO).acquire().await.expect("one is idle");
    for lease in [&first, &second] {
        lease.query_one("SELECT 1", &[]).await.unwrap();
    }
    drop((first, second));
    until("all are idle", PATIENCE, async || db.pool_status().checked_in == 2).await;
    let rows = db.named("call").acquire_within(Duration::ZERO).query("SELECT 1", &[]).await;
    assert_eq!(rows.expect("a statement, too").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_idle_for_long_is_checked_and_lent() {
    let (db, _fresh) = idle(1, |settings| settings.check_after_idle(Duration::from_millis(1))).await;
    for _ in 0..3 {
        let before = db.pool_status().opened;
        until("it was idle for long", PATIENCE, async || {
            tokio::time::sleep(Duration::from_millis(30)).await;
            db.pool_status().checked_in == 1
        })
        .await;
        let lease = db.named("at once").acquire_within(Duration::ZERO).acquire().await;
        drop(lease.expect("it is alive"));
        until("it is back", PATIENCE, async || db.pool_status().checked_in == 1).await;
        drop(db.try_acquire().await.unwrap().expect("it is alive"));
        until("it is back", PATIENCE, async || db.pool_status().checked_in == 1).await;
        assert_eq!(db.pool_status().opened, before, "and it is the same one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_that_are_not_answered_take_a_second_together() {
    let cluster = Cluster::start().await.unwrap();
    let wire = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let url =
        cluster.url("postgres").replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let settings = server::settings(&url).pool_min(4).pool_max(4).check_after_idle(Duration::from_millis(1));
    let db = Database::connect(settings).await.unwrap();
    until("all are idle", PATIENCE, async || db.pool_status().checked_in == 4).await;
    wire.set(Broken::blackhole(Direction::Both));
    tokio::time::sleep(Duration::from_millis(30)).await;
    let began = Instant::now();
    assert!(db.try_acquire().await.unwrap().is_none(), "none is alive");
    let took = began.elapsed();
    assert!(took < Duration::from_millis(1_400), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_none_is_idle_it_is_told_at_once_and_nothing_is_counted_of_a_trial() {
    let (db, _fresh) = idle(1, |settings| settings).await;
    let held = db.acquire().await.unwrap();
    let (mut events, before) = (db.events(), db.pool_status());
    let began = Instant::now();
    for _ in 0..100 {
        assert!(db.try_acquire().await.unwrap().is_none());
    }
    assert!(began.elapsed() < Duration::from_millis(500), "100 took {:?}", began.elapsed());
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::AcquireFailed { .. } | Event::Refused { .. }), "{event:?}");
    }
    assert_eq!(db.pool_status().opened, before.opened, "none is opened for it");
    let began = Instant::now();
    let error = db.named("at once").acquire_within(Duration::ZERO).acquire().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    assert_eq!(error.fault(), Fault::PoolExhausted, "{error}");
    server::event("that one is told of", &mut events, |event| {
        matches!(event, Event::AcquireFailed { .. }).then_some(())
    })
    .await;
    let status = db.pool_status();
    assert_eq!((status.waiting, status.checked_out), (0, 1));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_waits_comes_first() {
    let (db, _fresh) = idle(2, |settings| settings).await;
    db.pause();
    let waits = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await }
    });
    until("one waits", PATIENCE, async || db.pool_status().waiting == 1).await;
    assert!(at_once(&db).await.is_none(), "the pool is paused");
    assert_eq!(db.pool_status().waiting, 1);
    db.resume();
    drop(waits.await.unwrap().unwrap());

    // A name at its cap has one that waits for it; another name is lent what is idle.
    let capped = db.named("capped").at_most(1).acquire().await.unwrap();
    let tried = db.named("capped").at_most(1).try_acquire().await.unwrap();
    assert!(tried.is_none(), "its name holds all that it may");
    let other = db.named("other").at_most(1).try_acquire().await.unwrap();
    assert!(other.is_some(), "one is idle");
    drop((capped, other));
    until("all are idle", PATIENCE, async || db.pool_status().checked_in == 2).await;
    drop(db.named("capped").at_most(1).try_acquire().await.unwrap().expect("a trial in vain holds no place"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_the_highest_priority_is_lent_to_that_alone() {
    let (db, _fresh) = idle(2, |settings| settings.priority_reserve(1)).await;
    let first = db.try_acquire().await.unwrap().expect("one is for all");
    assert!(at_once(&db).await.is_none(), "the other is not");
    let urgent = db.named("urgent").priority(Priority::High).try_acquire().await.unwrap();
    assert!(urgent.is_some());
    drop((first, urgent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_has_passed_a_breaker_and_a_closed_pool_are_errors() {
    let (db, _fresh) = idle(1, |settings| settings).await;
    let fault =
        |tried: Result<Option<PooledConnection>, Error>| tried.map(drop).map_err(|error| error.fault());
    let late = deadline::within(Duration::ZERO, db.try_acquire()).await;
    assert_eq!(fault(late), Err(Fault::DeadlinePassed));
    assert_eq!(db.pool_status().checked_in, 1);
    db.isolate();
    assert_eq!(fault(db.try_acquire().await), Err(Fault::CircuitOpen));
    db.resume();
    db.close().await;
    assert_eq!(fault(db.try_acquire().await), Err(Fault::PoolClosed));
}
