//! Five times more arrives than can be carried: whoever cannot be served in time is told so at once and when to come
//! back, those who are let in are served in time, next to nothing of the capacity is wasted, and when the flood is over
//! everything is as before. Dark, the same is only counted.

use crate::server;
use plimsoll::event::Event;
use plimsoll::settings::Enforcement;
use plimsoll::{Again, Database, Error, Fault};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::Process;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

const SIZE: usize = 10;
const WORK: &str = "SELECT pg_sleep(0.04)";
const DEADLINE: Duration = Duration::from_millis(400);
const FLOOD: Duration = Duration::from_secs(3);

async fn pool(mode: Enforcement) -> (Database, test_server::TestDatabase) {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_min(SIZE).pool_max(SIZE).max_waiting(100_000);
    let db = Database::connect(settings.admission(mode)).await.unwrap();
    server::until("all are open", server::PATIENCE, async || db.pool_status().checked_in == SIZE).await;
    (db, fresh)
}

/// What ten in a closed loop get done in a second.
async fn capacity(db: &Database) -> f64 {
    let (began, span) = (Instant::now(), Duration::from_secs(1));
    let mut workers = JoinSet::new();
    for _ in 0..SIZE {
        let db = db.clone();
        workers.spawn(async move {
            let mut done = 0;
            while began.elapsed() < span {
                db.query(WORK, &[]).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let done: i32 = workers.join_all().await.into_iter().sum();
    f64::from(done) / began.elapsed().as_secs_f64()
}

struct Flood {
    served: usize,
    failed: Vec<(Duration, Error)>,
    took: Duration,
}

impl Flood {
    fn of(&self, fault: Fault) -> usize {
        self.failed.iter().filter(|(_, error)| error.fault() == fault).count()
    }
}

/// So many a second, whether or not those before have ended.
async fn flood(db: &Database, rate: f64) -> Flood {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    let mut tick = interval(Duration::from_millis(5));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while began.elapsed() < FLOOD {
        tick.tick().await;
        let due = (began.elapsed().as_secs_f64() * rate) as usize;
        while callers.len() < due {
            let db = db.clone();
            callers.spawn(async move {
                let began = Instant::now();
                let done = db.named("flood").within(DEADLINE).query(WORK, &[]).await;
                done.map(drop).map_err(|error| (began.elapsed(), error))
            });
        }
    }
    let ended: Vec<_> = callers.join_all().await;
    let took = began.elapsed();
    let served = ended.iter().filter(|done| done.is_ok()).count();
    Flood { served, failed: ended.into_iter().filter_map(Result::err).collect(), took }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_let_in_are_served_and_the_rest_is_told_at_once() {
    let (db, _fresh) = pool(Enforcement::On).await;
    let capacity = capacity(&db).await;
    let mut events = db.events();
    let flood = flood(&db, 5.0 * capacity).await;
    let goodput = flood.served as f64 / flood.took.as_secs_f64();
    let overloaded = flood.of(Fault::Overloaded);
    println!(
        "capacity {capacity:.0}/s, goodput {goodput:.0}/s ({:.0} %), refused {overloaded}, failed otherwise {}",
        100.0 * goodput / capacity,
        flood.failed.len() - overloaded
    );
    assert!(goodput >= 0.8 * capacity, "goodput {goodput:.0}/s of {capacity:.0}/s");
    assert!(overloaded > flood.failed.len() / 2, "{overloaded} of {} were told", flood.failed.len());

    let mut waits: Vec<_> = Vec::new();
    for (waited, error) in flood.failed.iter().filter(|(_, error)| error.fault() == Fault::Overloaded) {
        assert_eq!((error.fault().again(), error.code()), (Again::Never, "PL-ACQ-05"));
        assert!(error.retry_after().is_some_and(|after| after > Duration::ZERO), "{error}");
        if error.sentence().contains("at place") {
            waits.push(*waited);
        }
    }
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_millis(20), "half of the refusals took longer than {median:?}");

    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.extend(matches!(event, Event::Refused { .. }).then_some(event));
    }
    assert!(!told.is_empty() && told.len() <= 6, "about one a second: {told:?}");

    for _ in 0..30 {
        let done = db.named("afterwards").within(DEADLINE).query(WORK, &[]).await;
        assert!(done.is_ok(), "the flood is over: {done:?}");
    }
    let status = db.pool_status();
    assert_eq!((status.waiting, status.refused_overloaded), (0, overloaded as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dark_refuses_nobody_and_counts() {
    let (db, _fresh) = pool(Enforcement::Dark).await;
    let mut events = db.events();
    let flood = flood(&db, 1000.0).await;
    assert_eq!(flood.of(Fault::Overloaded), 0);
    let status = db.pool_status();
    assert!(status.would_refuse > 0 && status.refused_overloaded == 0, "{status:?}");
    server::event("it is told", &mut events, |event| match event {
        Event::Refused { fault: Fault::Overloaded, is_dark: true, .. } => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_refuses_nobody_in_the_lull_that_follows() {
    let (db, _fresh) = pool(Enforcement::On).await;
    let mut burst = JoinSet::new();
    for _ in 0..10 * SIZE {
        let db = db.clone();
        burst.spawn(async move { db.query(WORK, &[]).await.map(drop) });
    }
    assert!(burst.join_all().await.iter().all(Result::is_ok), "nobody here has a deadline");
    let mut lull = JoinSet::new();
    for _ in 0..SIZE + 2 {
        let db = db.clone();
        lull.spawn(async move { db.named("lull").within(DEADLINE).query(WORK, &[]).await.map(drop) });
    }
    let ended = lull.join_all().await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    assert_eq!(db.pool_status().refused_overloaded, 0);
}

/// Five thousand come at once to four connections and have time enough. After the first hundred, or right after the very
/// first, the server stands still for so short a time that nothing else notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_in_a_burst_refuses_nobody_who_has_time_enough() {
    const CALLERS: usize = 5_000;
    let cluster = Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.url("postgres")).pool_min(4).pool_max(4).max_waiting(100_000);
    let db = Database::connect(settings.pool_timeout(Duration::from_secs(30))).await.unwrap();
    for before in [100, 4] {
        server::until("all are open", server::PATIENCE, async || db.pool_status().checked_in == 4).await;
        let stalled = Process::attach_tree(cluster.pid().unwrap()).unwrap();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        let call = |callers: &mut JoinSet<_>| {
            let (db, done) = (db.clone(), std::sync::Arc::clone(&done));
            callers.spawn(async move {
                let told = db.query("SELECT pg_sleep(0.003)", &[]).await.map(drop);
                done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                told
            });
        };
        (0..CALLERS / 2).for_each(|_| call(&mut callers));
        server::until("some are served", server::PATIENCE, async || {
            done.load(std::sync::atomic::Ordering::Relaxed) >= before
        })
        .await;
        stalled.freeze().await.unwrap();
        // Shorter than the breaker's patience: the stall itself is the case.
        tokio::time::sleep(Duration::from_millis(600)).await;
        stalled.thaw().unwrap();
        let thawed = done.load(std::sync::atomic::Ordering::Relaxed);
        server::until("it goes on", server::PATIENCE, async || {
            done.load(std::sync::atomic::Ordering::Relaxed) >= thawed + 20
        })
        .await;
        (0..CALLERS / 2).for_each(|_| call(&mut callers));
        let refused: Vec<_> = callers.join_all().await.into_iter().filter_map(Result::err).collect();
        assert!(refused.is_empty(), "{} of {CALLERS}, the first: {}", refused.len(), refused[0]);
    }
}
