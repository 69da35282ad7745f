//! However many ask at once, the server is asked as often as the library's own keeping of answers says, and the pool lends one
//! connection for the reports.

use super::site::{Site, TOKEN, Who, database};
use crate::service::until;
use axum::Router;
use plimsoll::{Database, Settings};
use plimsoll_embedded::Cluster;
use plimsoll_http::{Databases, EndpointOptions, Operators, Options, endpoints, layers};
use std::fs;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ASKED: &str = "SELECT count(*), current_setting('max_connections')";
const REPORTED: &str = "pg_total_relation_size";

/// A server that writes down what it is asked.
async fn written_down() -> (Cluster, Database) {
    let cluster = Cluster::builder().setting("log_statement", "all").start().await.unwrap();
    let settings = Settings::from_url(cluster.url("postgres")).unwrap().pool_min(0).pool_max(3);
    let db = Database::connect(settings).await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    (cluster, db)
}

fn times(cluster: &Cluster, part: &str) -> usize {
    fs::read_to_string(cluster.log_path()).unwrap().matches(part).count()
}

/// A thousand requests at once; how many were answered 200.
async fn thousand(site: &std::sync::Arc<Site>, who: Who, path: &'static str) -> usize {
    let mut asking = JoinSet::new();
    for _ in 0..1_000 {
        let site = std::sync::Arc::clone(site);
        asking.spawn(async move { site.get(who, path).await.status });
    }
    asking.join_all().await.into_iter().filter(|status| *status == 200).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_health_and_of_reports() {
    let (cluster, db) = written_down().await;
    let site = std::sync::Arc::new(Site::new(&(&db).into(), EndpointOptions::default()).await);
    let began = Instant::now();
    assert_eq!(thousand(&site, Who::Anyone, "/api/health/database").await, 1_000);
    assert_eq!(times(&cluster, ASKED), 1, "a good answer is kept for a minute");

    let before = times(&cluster, ASKED);
    assert_eq!(thousand(&site, Who::Operator, "/operator/system/health").await, 1_000);
    for _ in 0..200 {
        assert_eq!(site.get(Who::Operator, "/operator/system/health").await.status, 200);
    }
    let asked = times(&cluster, ASKED) - before;
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(asked <= seconds + 2, "{asked} questions in {seconds} s");

    let (lent, began) = (db.pool_status().acquired, Instant::now());
    assert_eq!(thousand(&site, Who::Operator, "/operator/system/capacity").await, 1_000);
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    let lent = usize::try_from(db.pool_status().acquired - lent).unwrap();
    assert!((1..=seconds + 2).contains(&lent), "{lent} connections lent in {seconds} s");
    // The text stands in the log once where it is prepared, and once where it is run.
    assert!(times(&cluster, REPORTED) <= 2 * lent, "{}", times(&cluster, REPORTED));

    for path in ["/livez", "/readyz", "/metrics", "/api/metrics/database", "/api/metrics/queries"] {
        let (lent, asked) = (db.pool_status().acquired, times(&cluster, ASKED));
        let answered = thousand(&site, Who::Operator, path).await;
        // A program that is too busy to hear its server is not ready for a moment.
        assert!(answered == 1_000 || path == "/readyz", "{path}: {answered}");
        assert_eq!((db.pool_status().acquired, times(&cluster, ASKED)), (lent, asked), "{path} asks nothing");
    }
    db.close().await;
}

/// The report waits for a connection; those that ask meanwhile have a deadline of their own.
#[tokio::test]
async fn a_report_that_waits_holds_nobody_longer_than_its_deadline() {
    let (db, _fresh) = database().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(db.acquire().await.unwrap());
    }
    let operators = Operators::default().token("anna", &TOKEN.into()).unwrap();
    let databases = Databases::from(&db);
    let router = Router::new()
        .merge(endpoints(&databases, &operators, EndpointOptions::default()))
        .layer(layers(&databases, Options::default()));
    let site = Site { at: crate::service::serve(router).await, databases };
    let hurry = "X-Request-Timeout-Ms: 600\r\n";
    let asked = Instant::now();
    let mut asking = JoinSet::new();
    let site = std::sync::Arc::new(site);
    for _ in 0..20 {
        let site = std::sync::Arc::clone(&site);
        asking
            .spawn(async move { site.send(Who::Operator, "GET", "/operator/system/capacity", hurry).await });
    }
    until("one waits for a connection", async || db.pool_status().waiting == 1).await;
    assert_eq!(db.pool_status().waiting, 1, "and the others wait for it");
    for answer in asking.join_all().await {
        assert!(matches!(answer.status, 503 | 504), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    drop(held);
    let answer = site.get(Who::Operator, "/operator/system/capacity").await;
    assert_eq!(answer.status, 200, "what hurried ones were told is not told to others: {answer:?}");
    db.close().await;
}
