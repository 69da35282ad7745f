//! Each endpoint has one form for each state: with a database that is well, one that is not quite, one that is frozen or
//! stopped, and before there is one; for an operator, for anyone and for a wrong token.

use super::golden::is_golden;
use super::site::{Site, Who, database, database_with};
use crate::service::{PATIENCE, has_its_heartbeat, settings, until};
use plimsoll::settings::Limit;
use plimsoll::{BreakerState, Database, Settings};
use plimsoll_embedded::{Cluster, StopMode, test_server};
use plimsoll_faults::{Direction, Fault, Proxy};
use plimsoll_http::{ComponentHealth, Databases, EndpointOptions, ReadySwitch};
use std::time::Duration;
use tokio::time::timeout;

const EACH: [(&str, &str); 8] = [
    ("livez", "/livez"),
    ("readyz", "/readyz"),
    ("health", "/api/health/database"),
    ("database", "/api/metrics/database"),
    ("queries", "/api/metrics/queries"),
    ("metrics", "/metrics"),
    ("system_health", "/operator/system/health"),
    ("capacity", "/operator/system/capacity"),
];

/// Compares all endpoints in one state.
async fn all_are_golden(site: &Site, state: &str, who: Who, endpoints: &[&str]) {
    for (name, path) in EACH.iter().filter(|(name, _)| endpoints.contains(name)) {
        is_golden(&format!("{name}/{state}"), path, &site.get(who, path).await);
    }
}

fn with_a_part() -> EndpointOptions {
    EndpointOptions::default().component("ingest", || async {
        ComponentHealth::healthy().latency(Duration::from_millis(2)).detail("waiting", 0)
    })
}

#[tokio::test]
async fn when_it_is_healthy() {
    // One backend of one table: the numbers of other tests do not show.
    let (site, db, fresh) = Site::start(with_a_part()).await;
    fresh.execute("CREATE TABLE reading (id int PRIMARY KEY, note text)").await.unwrap();
    for id in 0..3 {
        let sql = format!("INSERT INTO reading VALUES ({id}, 'some note')");
        db.named("store a reading").execute(sql.as_str(), &[]).await.unwrap();
    }
    db.named("fails").query("SELECT note FROM missing WHERE id = 3", &[]).await.unwrap_err();
    // Which of the two is slower is no promise, so the number of executions decides the order by their sums.
    let all: Vec<_> = EACH.iter().map(|(name, _)| *name).filter(|name| *name != "queries").collect();
    all_are_golden(&site, "healthy", Who::Operator, &all).await;
    let path = "/api/metrics/queries?limit=1&sort=errors";
    is_golden("queries/healthy", path, &site.get(Who::Operator, path).await);
    all_are_golden(&site, "healthy_to_anyone", Who::Anyone, &["livez", "readyz", "health"]).await;
    db.close().await;
}

#[tokio::test]
async fn when_a_pool_is_used_up() {
    let (db, _fresh) = database_with(|settings| settings.pool_max(1)).await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    let held = db.acquire().await.unwrap();
    let waits = tokio::spawn({
        let db = db.clone();
        async move { db.named("waits").query_one("SELECT 1", &[]).await.map(drop) }
    });
    until("one waits", async || db.pool_status().waiting == 1).await;
    all_are_golden(&site, "degraded", Who::Operator, &["readyz", "health", "system_health"]).await;
    all_are_golden(&site, "degraded_to_anyone", Who::Anyone, &["readyz", "health"]).await;
    let answer = site.get(Who::Operator, "/api/metrics/database").await;
    let mut told = answer.json();
    assert_eq!(told["health_status"]["status"], "degraded", "{told:#}");
    assert_eq!(told["health_status"]["warnings"].as_array().unwrap().len(), 2, "{told:#}");
    assert_eq!(told["health_status"]["utilization_pct"].take(), 100.0);
    drop(held);
    waits.await.unwrap().unwrap();
    db.close().await;
}

#[tokio::test]
async fn when_an_operator_has_isolated_it() {
    let (site, db, _fresh) = Site::start(EndpointOptions::default()).await;
    db.isolate();
    all_are_golden(&site, "isolated", Who::Operator, &["readyz", "health", "database", "capacity"]).await;
    all_are_golden(&site, "isolated_to_anyone", Who::Anyone, &["readyz", "health"]).await;
    db.close().await;
    all_are_golden(
        &site,
        "closed",
        Who::Operator,
        &["livez", "readyz", "health", "system_health", "capacity"],
    )
    .await;
}

/// On a proxy that lets nothing through any more.
#[tokio::test]
async fn when_it_is_frozen() {
    let fresh = test_server::database().await.unwrap();
    let server = fresh.server();
    let proxy = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
    let url = fresh.url().replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    let db = Database::connect(Settings::from_url(url).unwrap().pool_min(1).pool_max(2)).await.unwrap();
    has_its_heartbeat(&db, &fresh).await;
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    assert_eq!(site.get(Who::Anyone, "/readyz").await.status, 200);
    proxy.set(Fault::blackhole(Direction::Both));
    until("the breaker opens", async || db.breaker().state == BreakerState::Open).await;
    all_are_golden(&site, "frozen_to_anyone", Who::Anyone, &["livez", "readyz", "health"]).await;
    all_are_golden(&site, "frozen", Who::Operator, &["health", "system_health"]).await;
    proxy.heal();
    until("it is ready again", async || site.get(Who::Anyone, "/readyz").await.status == 200).await;
    let is_healthy = async || site.get(Who::Anyone, "/api/health/database").await.body.contains("healthy");
    until("it is healthy again", is_healthy).await;
    db.close().await;
}

#[tokio::test]
async fn when_it_is_stopped() {
    let cluster = Cluster::start().await.unwrap();
    let settings = Settings::from_url(cluster.url("postgres")).unwrap().pool_min(0).pool_max(2);
    let db = Database::connect(settings.heartbeat(Limit::After(Duration::from_millis(200)))).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    until("the breaker opens", async || db.breaker().state == BreakerState::Open).await;
    until("its answer is a connect's", async || {
        site.get(Who::Operator, "/operator/system/health").await.body.contains("PL-CON-")
    })
    .await;
    all_are_golden(&site, "stopped", Who::Operator, &["health", "system_health"]).await;
    all_are_golden(&site, "stopped_to_anyone", Who::Anyone, &["livez", "readyz", "health"]).await;
    timeout(PATIENCE, db.close()).await.unwrap();
}

#[tokio::test]
async fn when_there_is_none_yet() {
    let site = Site::new(&Databases::new(), with_a_part()).await;
    let all: Vec<_> = EACH.iter().map(|(name, _)| *name).collect();
    all_are_golden(&site, "starting", Who::Operator, &all).await;
    all_are_golden(&site, "starting_to_anyone", Who::Anyone, &["livez", "readyz", "health"]).await;
}

#[tokio::test]
async fn when_the_service_is_about_to_stop() {
    let (db, _fresh) = database().await;
    let ready = ReadySwitch::new();
    let site = Site::new(&(&db).into(), EndpointOptions::default().ready(&ready)).await;
    assert_eq!(site.get(Who::Anyone, "/readyz").await.status, 200);
    ready.stopping();
    all_are_golden(&site, "stopping", Who::Operator, &["readyz"]).await;
    all_are_golden(&site, "stopping_to_anyone", Who::Anyone, &["livez", "readyz", "health"]).await;
    db.close().await;
}

#[tokio::test]
async fn when_the_question_is_wrong() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings(&fresh).await).await.unwrap();
    let site = Site::new(&(&db).into(), EndpointOptions::default()).await;
    for (name, path) in EACH.iter().filter(|(name, _)| !["livez", "readyz", "health"].contains(name)) {
        is_golden(&format!("{name}/no_token"), path, &site.get(Who::Anyone, path).await);
        is_golden(&format!("{name}/wrong_token"), path, &site.get(Who::Stranger, path).await);
    }
    for (name, path) in [
        ("queries/bad_limit", "/api/metrics/queries?limit=101"),
        ("queries/bad_sort", "/api/metrics/queries?sort=name"),
        ("queries/twice", "/api/metrics/queries?limit=1&limit=2"),
        ("queries/unknown_database", "/api/metrics/queries?database=other"),
        ("database/unknown_database", "/api/metrics/database?database=other"),
        ("health/unknown_database", "/api/health/database?database=other"),
        ("capacity/unknown_database", "/operator/system/capacity?database=other"),
    ] {
        is_golden(name, path, &site.get(Who::Operator, path).await);
    }
    db.close().await;
}
