//! While the pool is used up or the database frozen, everything that can be told without it is told at once.

use super::site::{Site, Who, database};
use crate::service::{has_its_heartbeat, until};
use futures_util::future::join_all;
use plimsoll::event::Event;
use plimsoll::{BreakerState, Database, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_embedded::test_server;
use plimsoll_faults::Process;
use plimsoll_http::EndpointOptions;
use std::time::{Duration, Instant};

const AT_ONCE: [&str; 6] =
    ["/livez", "/readyz", "/metrics", "/api/metrics/database", "/api/metrics/queries", "/api/openapi.json"];

/// Answers, and in less than the time that a question to the database may take.
async fn at_once(site: &Site, path: &str) -> u16 {
    let asked = Instant::now();
    let status = site.get(Who::Operator, path).await.status;
    assert!(asked.elapsed() < Duration::from_secs(2), "{path} took {:?}", asked.elapsed());
    status
}

#[tokio::test]
async fn with_a_pool_that_is_used_up() {
    let (db, _fresh) = database().await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(db.acquire().await.unwrap());
    }
    for path in AT_ONCE.iter().chain(&["/api/health/database", "/operator/system/health"]) {
        assert_eq!(at_once(&site, path).await, 200, "{path}");
    }
    let told = site.get(Who::Operator, "/operator/system/health").await.json();
    assert_eq!(told["pools"]["database"]["checked_out"], 3, "{told:#}");
    assert_eq!(told["components"]["postgres"]["status"], "degraded", "{told:#}");
    assert!(told["components"]["postgres"]["latency_ms"].is_u64(), "{told:#}");
    assert_eq!(db.pool_status().waiting, 0, "nothing of it waits for a connection");
    drop(held);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_database_that_is_frozen() {
    let cluster = Cluster::start().await.unwrap();
    let settings = Settings::from_url(cluster.url("postgres")).unwrap().pool_min(1).pool_max(2);
    let db = Database::connect(settings).await.unwrap();
    let sql = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name LIKE '%(heartbeat)' \
               AND state = 'idle' AND query_start IS NOT NULL";
    until("it has its heartbeat", async || {
        db.query_one(sql, &[]).await.is_ok_and(|row| row.get::<_, String>(0) == "1")
    })
    .await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    let process = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    process.freeze().await.unwrap();
    until("the breaker opens", async || db.breaker().state == BreakerState::Open).await;
    for path in AT_ONCE {
        let expected = if path == "/readyz" { 503 } else { 200 };
        assert_eq!(at_once(&site, path).await, expected, "{path}");
    }
    // These ask, past the pool and within 3 s; and however many ask, the failure is one.
    let mut events = db.events();
    let answers = (0..200).map(|_| site.get(Who::Anyone, "/api/health/database"));
    assert!(join_all(answers).await.iter().all(|answer| answer.status == 503));
    let mut failed = 0;
    while let Ok(event) = events.try_recv() {
        failed += usize::from(matches!(event, Event::HealthCheckFailed { .. }));
    }
    assert!((1..=2).contains(&failed), "{failed} questions for 200 who asked");
    for path in ["/api/health/database", "/operator/system/health"] {
        let asked = Instant::now();
        assert_eq!(site.get(Who::Operator, path).await.status, 503, "{path}");
        assert!(asked.elapsed() < Duration::from_secs(6), "{path} took {:?}", asked.elapsed());
    }
    assert_eq!(at_once(&site, "/operator/system/capacity").await, 503, "the breaker refuses it");
    process.thaw().unwrap();
    until("all is well again", async || {
        site.get(Who::Operator, "/operator/system/health").await.status == 200
    })
    .await;
    db.close().await;
}

/// Each pool is told by its name, and the one that is asked is chosen by the service or by the question.
#[tokio::test]
async fn of_the_database_that_is_asked_about() {
    let one = test_server::database().await.unwrap();
    let named = async |name: &str, most: usize| {
        let settings = Settings::from_url(one.url()).unwrap().pool_min(0).pool_max(most).max_overflow(0);
        let db = Database::connect(settings.pool_name(name)).await.unwrap();
        db.query_one("SELECT 1", &[]).await.unwrap();
        db
    };
    let (ui, system) = (named("ui", 4).await, named("system", 2).await);
    let databases = plimsoll_http::Databases::new().and("ui", &ui).and("system", &system);
    let site = Site::new(&databases, EndpointOptions::default().asks("system")).await;
    for (path, most) in [
        ("/api/metrics/database", 2),
        ("/api/metrics/database?database=system", 2),
        ("/api/metrics/database?database=ui", 4),
        ("/api/metrics/database?database=%75i", 4),
    ] {
        let told = site.get(Who::Operator, path).await.json();
        assert_eq!(told["pool_config"]["max_connections"], most, "{path}");
        assert_eq!(told["database"], if most == 4 { "ui" } else { "system" }, "{path}");
    }
    let lent = system.pool_status().acquired;
    assert_eq!(site.get(Who::Operator, "/operator/system/capacity").await.json()["database"], "system");
    assert_eq!(system.pool_status().acquired, lent + 1);
    assert_eq!(
        site.get(Who::Operator, "/operator/system/capacity?database=ui").await.json()["database"],
        "ui"
    );
    ui.isolate();
    assert_eq!(site.get(Who::Anyone, "/api/health/database").await.json()["status"], "healthy");
    assert_eq!(site.get(Who::Anyone, "/api/health/database?database=ui").await.json()["status"], "degraded");
    let pools = site.get(Who::Operator, "/operator/system/health").await.json()["pools"].clone();
    assert_eq!((&pools["ui"]["max"], &pools["system"]["max"]), (&4.into(), &2.into()), "{pools:#}");
    let scraped = site.get(Who::Operator, "/metrics").await.body;
    for pool in ["pool=\"ui\"", "pool=\"system\""] {
        assert!(scraped.contains(pool), "{pool}");
    }
    ui.resume();
    has_its_heartbeat_or_none(&system, &one).await;
    ui.close().await;
    system.close().await;
}

/// A test ends on the thread that would have to go on with a connect under way.
async fn has_its_heartbeat_or_none(db: &Database, fresh: &plimsoll_embedded::test_server::TestDatabase) {
    let _ = tokio::time::timeout(Duration::from_secs(2), has_its_heartbeat(db, fresh)).await;
}
