//! A server that is away, or goes away under load, comes back without anybody's help: no restart of the program, no
//! dead connection lent, and every error in between is honest about what became of the work.

use crate::server::{self, PATIENCE, until};
use plimsoll::settings::Limit;
use plimsoll::{BreakerState, Database, Fault, HealthState, Outcome, Pooler, Settings, deadline};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode, StopMode};
use plimsoll_faults::{Direction, Fault as Broken, Process, Proxy};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_handle_is_given_before_the_server_is_there() {
    let cluster = Cluster::start().await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    let settings = server::settings(&cluster.url("postgres"))
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1));
    let db = Database::connect(settings).await.expect("a handle that heals");
    let error = db.acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unreachable, "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(error.to_string().contains("check that PostgreSQL runs"), "{error}");

    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.ready_within(PATIENCE).await.map(|()| Instant::now()) }
    });
    let late = deadline::within(Duration::from_millis(100), db.ready()).await.unwrap_err();
    // Its time is up, unless another connect has failed just then.
    assert!(matches!(late.fault(), Fault::DeadlinePassed | Fault::Unreachable), "{late}");
    assert!(!waiting.is_finished(), "nobody is ready while the server is away");
    cluster.start_again().await.unwrap();
    let started = Instant::now();
    let ready = tokio::time::timeout(PATIENCE, waiting).await.expect("ready").unwrap().unwrap();
    assert!(
        ready.saturating_duration_since(started) < Duration::from_secs(3),
        "the pause is a second at the most"
    );
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

/// Kills one of the pool's backends as the system does when memory is short. The server ends all others and recovers.
async fn kill_one_backend(cluster: &Cluster) {
    let pid = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' \
               AND pid <> pg_backend_pid() AND application_name NOT LIKE '%(heartbeat)' LIMIT 1";
    let rows = cluster.execute("postgres", pid).await.unwrap();
    Process::attach(rows[0]["pid"].parse().unwrap()).unwrap().kill().await.unwrap();
    until("the server has noticed and recovered", PATIENCE, async || {
        let log = std::fs::read_to_string(cluster.log_path()).unwrap();
        log.matches("database system is ready to accept connections").count() >= 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_heals_and_every_error_is_honest() {
    for mode in [Some(StopMode::Fast), Some(StopMode::Immediate), None] {
        let cluster = Arc::new(Cluster::start().await.unwrap());
        cluster
            .execute("postgres", "CREATE TABLE entry (worker int, number int, PRIMARY KEY (worker, number))")
            .await
            .unwrap();
        let settings = server::settings(&cluster.url("postgres"))
            .pool_max(4)
            .pool_timeout(Duration::from_secs(2))
            .tcp_user_timeout(Duration::from_secs(1));
        let db = Database::connect(settings).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..8_i32)
            .map(|worker| tokio::spawn(work(db.clone(), worker, Arc::clone(&stop), Arc::clone(&written))))
            .collect();
        let written_more = async |than: u64| {
            until("the workers go on", PATIENCE, async || written.load(Ordering::SeqCst) > than).await;
        };
        written_more(50).await;
        match mode {
            Some(mode) => cluster.restart(mode).await.unwrap(),
            None => kill_one_backend(&cluster).await,
        }
        tokio::time::timeout(PATIENCE, db.ready()).await.expect("ready").unwrap();
        let back = written.load(Ordering::SeqCst);
        written_more(back + 100).await;
        // From here on nothing fails any more: whatever had died is out of the pool.
        for _ in 0..20 {
            db.query_one("SELECT 1", &[]).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        }
        stop.store(true, Ordering::SeqCst);
        let mut told = Vec::new();
        for task in tasks {
            told.extend(task.await.unwrap());
        }
        assert_honest(&cluster, told, &format!("{mode:?}")).await;
    }
}

/// A server behind a wire on which a connect takes more than three seconds once [`Far::is_far`] was called: every round
/// trip of it takes 0.8 s.
struct Far {
    cluster: Cluster,
    wire: Proxy,
    settings: Settings,
}

async fn far() -> Far {
    let cluster = Cluster::start().await.unwrap();
    let wire = Proxy::in_front_of(("127.0.0.1", cluster.port())).await.unwrap();
    let near = cluster.url("postgres");
    let url = near.replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    assert_ne!(url, near, "it leads over the wire");
    let settings = server::settings(&url).pool_min(0).connect_timeout(Duration::from_secs(10));
    Far { cluster, wire, settings }
}

impl Far {
    fn is_far(&self) {
        self.wire.set(Broken::delay(Direction::Both, Duration::from_millis(400)));
    }

    async fn connect_takes_long(&self) {
        let began = Instant::now();
        let another = Database::connect(self.settings.clone().heartbeat(Limit::Off)).await.unwrap();
        another.acquire().await.unwrap();
        let took = began.elapsed();
        assert!(
            took > Duration::from_millis(3_100) && took < Duration::from_secs(8),
            "a connect takes {took:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_that_takes_seconds_closes_the_breaker_too() {
    let far = far().await;
    let db = Database::connect(far.settings.clone()).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    far.cluster.stop_mode(StopMode::Immediate).await.unwrap();
    until("the breaker is open", PATIENCE, async || db.breaker().state == BreakerState::Open).await;
    far.is_far();
    far.cluster.start_again().await.unwrap();
    // No connection of the pool is wanted, so that it is the heartbeat alone that finds the server again.
    until("the breaker is closed", PATIENCE, async || db.breaker().state == BreakerState::Closed).await;
    far.connect_takes_long().await;
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_that_must_connect_first_comes_to_its_answer_where_that_takes_seconds() {
    let far = far().await;
    far.is_far();
    far.connect_takes_long().await;
    let db = Database::connect(far.settings.clone().heartbeat(Limit::Off)).await.unwrap();
    let mut asked = Instant::now();
    until("it is healthy", PATIENCE, async || {
        let health = db.health(true).await;
        assert!(
            asked.elapsed() < Duration::from_secs(4),
            "each answer comes by its limit: {:?}",
            asked.elapsed()
        );
        asked = Instant::now();
        health.state == HealthState::Healthy
    })
    .await;
}

async fn a_pooler_that_restarts_under_load_heals(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster
        .execute("postgres", "CREATE TABLE entry (worker int, number int, PRIMARY KEY (worker, number))")
        .await
        .unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "3");
    let bouncer = bouncer.start().await.unwrap();
    let settings = server::settings(&bouncer.url("postgres"))
        .pool_timeout(Duration::from_secs(2))
        .tcp_user_timeout(Duration::from_secs(1));
    let db = Database::connect(settings).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..6_i32)
        .map(|worker| tokio::spawn(work(db.clone(), worker, Arc::clone(&stop), Arc::clone(&written))))
        .collect();
    let written_more = async |than: u64| {
        until("the workers go on", PATIENCE, async || written.load(Ordering::SeqCst) > than).await;
    };
    written_more(50).await;
    bouncer.restart().await.unwrap();
    written_more(written.load(Ordering::SeqCst) + 100).await;
    stop.store(true, Ordering::SeqCst);
    let mut told = Vec::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    assert_honest(&cluster, told, "a pooler's restart").await;
}

async fn a_server_that_is_away_behind_a_pooler_heals_too(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("server_login_retry", "1")
        .start()
        .await
        .unwrap();
    let settings = server::settings(&bouncer.url("postgres"))
        .connect_timeout(Duration::from_secs(1))
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1));
    let db = Database::connect(settings).await.expect("a handle that heals");
    let error = db.acquire().await.unwrap_err();
    assert!(error.fault().is_connectivity(), "{error}");
    assert_eq!(error.outcome(), Outcome::NotStarted);
    cluster.start_again().await.unwrap();
    db.ready_within(PATIENCE).await.expect("ready");
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    assert_eq!(db.pooler(), Some(Pooler::Transaction));
}

/// What was told to be stored is there, and what was told not to be is not.
async fn assert_honest(cluster: &Cluster, told: Vec<(i32, i32, Outcome)>, after: &str) {
    // What the dead pooler had under way may still be on its way to its end.
    until("nothing is under way any more", PATIENCE, async || {
        let busy = "SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() AND \
                    backend_type = 'client backend'";
        cluster.execute("postgres", busy).await.is_ok_and(|rows| rows.is_empty())
    })
    .await;
    let rows = cluster.execute("postgres", "SELECT worker, number FROM entry").await.unwrap();
    let stored: HashSet<(i32, i32)> =
        rows.iter().map(|row| (row["worker"].parse().unwrap(), row["number"].parse().unwrap())).collect();
    for (worker, number, outcome) in told {
        let is_stored = stored.contains(&(worker, number));
        match outcome {
            Outcome::Committed => assert!(is_stored, "{after}: lost: {worker} {number}"),
            Outcome::NotStarted | Outcome::RolledBack => {
                assert!(!is_stored, "{after}: stored and denied: {worker} {number}");
            }
            _ => {}
        }
    }
}

/// Writes numbers until told to stop; says what it was told of each.
async fn work(
    db: Database,
    worker: i32,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Vec<(i32, i32, Outcome)> {
    let mut told = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let insert = "INSERT INTO entry VALUES ($1, $2)";
        let answer = match number % 2 {
            0 => db.execute(insert, &[&worker, &number]).await.map(drop),
            _ => db.transaction(async |tx| tx.execute(insert, &[&worker, &number]).await).await.map(drop),
        };
        match answer {
            Ok(()) => {
                written.fetch_add(1, Ordering::SeqCst);
                told.push((worker, number, Outcome::Committed));
            }
            Err(error) => {
                assert!(error.fault().is_connectivity(), "a restart is a matter of connectivity: {error}");
                told.push((worker, number, error.outcome()));
            }
        }
    }
    told
}

plimsoll_embedded::on_each_pgbouncer!(a_server_that_is_away_behind_a_pooler_heals_too);
plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    a_pooler_that_restarts_under_load_heals
);
