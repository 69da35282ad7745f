//! A server that stands still answers nobody, and callers are told so at once instead of waiting for it: within a
//! second of the freeze, with the reason and since when. What only looks like it is left alone: a short stall, slow
//! statements on every connection, a pile-up behind a lock. And it is over as soon as the server answers again.

use crate::server::{self, PATIENCE, event, until};
use plimsoll::event::Event;
use plimsoll::settings::Enforcement;
use plimsoll::{BreakerState, Database, Fault, HealthState, Outcome, Settings, deadline};
use plimsoll_embedded::{Cluster, StopMode, test_server};
use plimsoll_faults::{At, Direction, Fault as Broken, Process, Proxy, Since};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    cluster: Cluster,
    server: Process,
    db: Database,
}

async fn scene() -> Scene {
    scene_with(|settings| settings).await
}

async fn scene_with(change: impl FnOnce(Settings) -> Settings) -> Scene {
    let cluster = Cluster::start().await.unwrap();
    let settings = change(server::settings(&cluster.url("postgres")).pool_max(4));
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let scene = Scene { cluster, server, db };
    scene.has_its_own_connection().await;
    scene
}

impl Scene {
    /// A backend that has not been asked for its limits yet is a connection only to the server.
    async fn has_its_own_connection(&self) {
        let count = "SELECT count(*)::text AS n FROM pg_stat_activity \
                     WHERE application_name LIKE '%(heartbeat)' AND state = 'idle' AND query_start IS NOT NULL";
        until("the heartbeat has a connection", PATIENCE, async || {
            self.cluster.execute("postgres", count).await.unwrap()[0]["n"] == "1"
        })
        .await;
    }

    /// The backends of the heartbeat.
    async fn heartbeats(&self) -> Vec<u32> {
        let ask = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)' ORDER BY pid";
        let rows = self.cluster.execute("postgres", ask).await.unwrap();
        rows.iter().map(|row| row["pid"].parse().unwrap()).collect()
    }

    async fn is(&self, state: BreakerState, limit: Duration) {
        until(&format!("the breaker is {state}"), limit, async || self.db.breaker().state == state).await;
    }

    /// Callers that come every 5 ms, each with 2 s; gives the faults of those who failed.
    fn load(&self, span: Duration) -> tokio::task::JoinHandle<Vec<Fault>> {
        let db = self.db.clone();
        tokio::spawn(async move {
            let mut calls = JoinSet::new();
            let end = Instant::now() + span;
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while Instant::now() < end {
                ticks.tick().await;
                let db = db.clone();
                calls.spawn(async move {
                    deadline::within(2 * SECOND, db.query_one("SELECT 1", &[])).await.err().map(|e| e.fault())
                });
            }
            calls.join_all().await.into_iter().flatten().collect()
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circuit_breaker_fail_fast() {
    let scene = scene().await;
    let load = scene.load(Duration::from_millis(1_500) + server::span());
    scene.server.freeze().await.unwrap();
    let frozen = Instant::now();
    until("readiness is red", SECOND, async || !scene.db.readiness().is_ready).await;
    scene.is(BreakerState::Open, PATIENCE).await;
    let after = frozen.elapsed();
    assert!(after < Duration::from_millis(1_200), "it took {after:?}");

    let asked = Instant::now();
    let error = scene.db.named("place order").query_one("SELECT 1", &[]).await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_millis(50), "{:?}", asked.elapsed());
    assert_eq!((error.fault(), error.outcome()), (Fault::CircuitOpen, Outcome::NotStarted));
    let text = error.to_string();
    for part in ["PL-BRK-01", "\"place order\"", "failing fast", "has owed answers and given none for"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let health = scene.db.health(false).await;
    assert_eq!(health.state, HealthState::Down, "{health:?}");

    // It stays so for as long as it lasts: a minute in a soak.
    tokio::time::sleep(server::span()).await;
    let asked = Instant::now();
    assert_eq!(scene.db.query_one("SELECT 1", &[]).await.unwrap_err().fault(), Fault::CircuitOpen);
    assert!(asked.elapsed() < Duration::from_millis(50), "{:?}", asked.elapsed());
    let faults = load.await.unwrap();
    assert!(faults.contains(&Fault::CircuitOpen), "{faults:?}");
    scene.server.thaw().unwrap();
    let thawed = Instant::now();
    until("calls go through", PATIENCE, async || scene.db.query_one("SELECT 1", &[]).await.is_ok()).await;
    assert!(thawed.elapsed() < SECOND, "it took {:?} after the thaw", thawed.elapsed());
    scene.is(BreakerState::Closed, SECOND).await;
    assert!(scene.db.readiness().is_ready);
    assert_eq!(scene.db.health(false).await.state, HealthState::Healthy, "what was known is void");
    let status = scene.db.breaker();
    assert!(status.trips == 1 && status.refused > 1, "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_nobody_calls() {
    let scene = scene().await;
    scene.server.freeze().await.unwrap();
    let frozen = Instant::now();
    until("readiness is red", SECOND, async || !scene.db.readiness().is_ready).await;
    scene.is(BreakerState::Open, PATIENCE).await;
    let after = frozen.elapsed();
    assert!(after < Duration::from_millis(1_400), "it took {after:?}");
    let waits = tokio::time::timeout(Duration::from_millis(300), scene.db.ready()).await;
    assert!(waits.is_err(), "an idle connection was opened long ago, and leads to nobody: {waits:?}");
    scene.server.thaw().unwrap();
    deadline::within(PATIENCE, scene.db.ready()).await.unwrap();
    scene.is(BreakerState::Closed, SECOND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_while_its_own_connection_is_opened_anew() {
    let scene = scene().await;
    let operator = server::bare(&scene.cluster.url("postgres")).await;
    // Whoever listens stands still already, so the connection that takes the place of the ended one stays half open.
    let listener = Process::attach(scene.cluster.pid().unwrap()).unwrap();
    listener.freeze().await.unwrap();
    let end =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)'";
    until("its connection is ended", PATIENCE, async || operator.execute(end, &[]).await.unwrap() == 0).await;
    scene.server.freeze().await.unwrap();
    let frozen = Instant::now();
    let load = scene.load(Duration::from_millis(1_500));
    until("readiness is red", SECOND, async || !scene.db.readiness().is_ready).await;
    scene.is(BreakerState::Open, PATIENCE).await;
    let after = frozen.elapsed();
    assert!(after < Duration::from_millis(1_200), "it took {after:?}");
    assert!(load.await.unwrap().contains(&Fault::CircuitOpen));
    scene.server.thaw().unwrap();
    scene.is(BreakerState::Closed, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_it_opens_for_nothing_and_readiness_sees_the_same() {
    let scene = scene_with(|settings| settings.breaker(Enforcement::Off)).await;
    scene.server.freeze().await.unwrap();
    until("readiness is red", SECOND, async || !scene.db.readiness().is_ready).await;
    // For longer than it would take.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!((scene.db.breaker().state, scene.db.breaker().trips), (BreakerState::Closed, 0));
    scene.server.thaw().unwrap();
    until("readiness is green", SECOND, async || scene.db.readiness().is_ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_are_kept_afterwards_keep_nobody_out() {
    let scene = scene().await;
    scene.server.freeze().await.unwrap();
    scene.is(BreakerState::Open, PATIENCE).await;
    scene.server.thaw().unwrap();
    let mut kept = Vec::new();
    until("two calls are let through", PATIENCE, async || {
        kept.extend(scene.db.acquire().await.ok());
        kept.len() == 2
    })
    .await;
    scene.is(BreakerState::Closed, SECOND).await;
    scene.db.query_one("SELECT 1", &[]).await.unwrap();
    kept[0].query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_stall_that_is_short_passes_unnoticed() {
    let scene = scene().await;
    let load = scene.load(Duration::from_millis(1_900));
    for _ in 0..2 {
        scene.server.freeze().await.unwrap();
        // The promise is about this very time; the machine adds to it.
        tokio::time::sleep(Duration::from_millis(750)).await;
        scene.server.thaw().unwrap();
        until("it answers", PATIENCE, async || scene.db.query_one("SELECT 1", &[]).await.is_ok()).await;
    }
    assert_eq!(load.await.unwrap(), Vec::<Fault>::new());
    assert_eq!(scene.db.breaker().trips, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_its_own_backend_that_stands_still_alone_is_replaced() {
    let scene = scene().await;
    for has_calls in [false, true] {
        let before = scene.heartbeats().await;
        assert_eq!(before.len(), 1, "{before:?}");
        let backend = Process::attach(before[0]).unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..if has_calls { 4 } else { 0 } {
            let db = scene.db.clone();
            calls.spawn(async move { db.execute("SELECT pg_sleep(3)", &[]).await.map(drop) });
        }
        backend.freeze().await.unwrap();
        // For as long as the calls last, and much longer than it would take to open.
        tokio::time::sleep(3 * SECOND).await;
        assert!(scene.db.readiness().is_ready);
        assert_eq!(scene.heartbeats().await.len(), 2, "another backend is asked");
        assert_eq!(scene.db.health(true).await.state, HealthState::Healthy);
        assert_eq!((scene.db.breaker().trips, scene.db.breaker().state), (0, BreakerState::Closed));
        while let Some(call) = calls.join_next().await {
            call.unwrap().unwrap();
        }
        backend.thaw().unwrap();
        until("the old one has ended", PATIENCE, async || scene.heartbeats().await.len() == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_is_its_own_wire_that_swallows_everything() {
    let cluster = Cluster::start().await.unwrap();
    let wire = Proxy::in_front_of((cluster.host(), cluster.port())).await.unwrap();
    let near = cluster.url("postgres");
    let url = near.replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let db = Database::connect(server::settings(&url)).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    until("the heartbeat has a connection", PATIENCE, async || wire.connections() == 2).await;
    let accepted = wire.accepted();
    // No call runs, so the next byte is the heartbeat's.
    wire.set_once(Broken::stall(Direction::ToServer, At::AfterBytes(0)).since(Since::Set));
    wire.until_struck(1).await;
    until("another wire is used", PATIENCE, async || wire.accepted() > accepted && db.readiness().is_ready)
        .await;
    // Much longer than it would take to open.
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((db.breaker().trips, db.breaker().state), (0, BreakerState::Closed));
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_slow_statements_on_every_connection_are_not_taken_for_it() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(3).breaker_after(Duration::from_millis(400));
    let db = Database::connect(settings).await.unwrap();
    let end = Instant::now() + server::span();
    while Instant::now() < end {
        let mut calls = JoinSet::new();
        for _ in 0..3 {
            let db = db.clone();
            calls.spawn(async move { db.execute("SELECT pg_sleep(5)", &[]).await.map(drop) });
        }
        while let Some(slow) = calls.join_next().await {
            slow.unwrap().unwrap();
        }
    }
    assert_eq!(db.breaker().trips, 0, "{:?}", db.breaker());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_pile_up_behind_a_lock_is_not_taken_for_it() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)").await.unwrap();
    // Whoever waits here has all the time that the test takes.
    let long = 2 * server::span() + 30 * SECOND;
    let settings = server::settings_for(&fresh)
        .await
        .pool_max(3)
        .breaker_after(Duration::from_millis(400))
        .pool_timeout(long)
        .lock_timeout(long)
        .statement_timeout(long + SECOND)
        .client_statement_timeout(long + 3 * SECOND)
        .transaction_timeout(long + 5 * SECOND);
    let db = Database::connect(settings).await.unwrap();
    let blocker = server::bare(&fresh.url()).await;
    blocker.batch_execute("BEGIN; UPDATE counter SET n = n + 1").await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..9 {
        let db = db.clone();
        calls.spawn(async move { db.execute("UPDATE counter SET n = n + 1", &[]).await.map(drop) });
    }
    // The promise is about time that passes while nothing moves.
    tokio::time::sleep(server::span()).await;
    assert_eq!(db.breaker().trips, 0, "{:?}", db.breaker());
    blocker.batch_execute("COMMIT").await.unwrap();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_opens_it_too_and_one_that_is_back_closes_it() {
    let scene = scene().await;
    scene.cluster.stop_mode(StopMode::Immediate).await.unwrap();
    scene.is(BreakerState::Open, PATIENCE).await;
    let error = scene.db.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::CircuitOpen, "{error}");
    assert!(error.to_string().contains("no connection could be opened"), "{error}");
    scene.cluster.start_again().await.unwrap();
    scene.is(BreakerState::Closed, 4 * SECOND).await;
    scene.db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_dark_it_counts_and_refuses_nothing() {
    let cluster = Cluster::start().await.unwrap();
    let settings = server::settings(&cluster.url("postgres")).breaker(Enforcement::Dark);
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    until("it would have opened", PATIENCE, async || db.breaker().trips > 0).await;
    let error = deadline::within(SECOND, db.query_one("SELECT 1", &[])).await.unwrap_err();
    assert_ne!(error.fault(), Fault::CircuitOpen, "{error}");
    assert_eq!(db.breaker().refused, 1, "and it counted that call");
    // Somebody's order is no guess, in any mode.
    let (mut events, trips) = (db.events(), db.breaker().trips);
    db.isolate();
    let is_dark = event("it opened", &mut events, |event| match event {
        Event::BreakerOpened { is_dark, .. } => Some(*is_dark),
        _ => None,
    })
    .await;
    assert!(!is_dark);
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap_err().fault(), Fault::CircuitOpen);
    assert_eq!(db.breaker().trips, trips, "it did not open by itself");
}

#[tokio::test]
async fn isolated_by_hand_it_refuses_until_it_is_resumed() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let held = db.acquire().await.unwrap();
    db.isolate();
    let error = db.query_one("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::CircuitOpen, "{error}");
    assert!(error.to_string().contains("isolated by hand"), "{error}");
    held.query_one("SELECT 1", &[]).await.expect("what is lent is left alone");
    assert!(!db.readiness().is_ready);
    db.resume();
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_isolated_its_own_connection_is_kept() {
    let scene = scene().await;
    let before = scene.heartbeats().await;
    scene.db.isolate();
    // The promise is about time that passes while nothing changes.
    tokio::time::sleep(SECOND).await;
    assert_eq!(scene.heartbeats().await, before, "nothing is wrong with the server");
}
