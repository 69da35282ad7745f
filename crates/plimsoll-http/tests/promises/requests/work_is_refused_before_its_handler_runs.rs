//! While the database refuses calls, routes that need it answer 503 with a Retry-After and do not run their handlers; the
//! others go on.

use crate::client::{Answer, get};
use crate::service::{Service, serve, settings, until};
use axum::Router;
use axum::extract::State;
use axum::routing;
use plimsoll::Database;
use plimsoll_embedded::test_server;
use plimsoll_http::{Databases, NeedsDatabase, Options, Problem, layers};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Runs = Arc<AtomicUsize>;

fn routes(db: &Database, runs: &Runs) -> Router<Database> {
    let runs = Arc::clone(runs);
    let work = move |State(db): State<Database>| async move {
        runs.fetch_add(1, Ordering::SeqCst);
        db.query_one("SELECT 1", &[]).await.map(|_| "done").map_err(Problem::from)
    };
    Router::new()
        .route("/work", routing::get(work).layer(NeedsDatabase::new(db)))
        .route("/about", routing::get(async || "about"))
}

fn is_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some(code)), "{answer:?}");
    let after: u64 = answer.header("retry-after").parse().unwrap_or_else(|_| panic!("{answer:?}"));
    assert!((1..=8).contains(&after), "{after}");
    assert_eq!(answer.json()["outcome"], "not started");
}

#[tokio::test]
async fn an_open_breaker_and_a_pause_refuse() {
    let runs = Runs::default();
    let service = Service::start(Options::default(), |db| routes(db, &runs)).await;
    assert_eq!(get(service.at, "/work", &[]).await.body, "done");
    for code in ["PL-BRK-01", "PL-ACQ-01"] {
        if code == "PL-BRK-01" {
            service.db.isolate()
        } else {
            service.db.pause()
        }
        let before = runs.load(Ordering::SeqCst);
        let mut told = BTreeSet::new();
        for _ in 0..30 {
            let answer = get(service.at, "/work", &[]).await;
            is_refused(&answer, code);
            told.insert(answer.header("retry-after").to_owned());
        }
        assert!(told.len() > 1, "those that are refused together are told different times: {told:?}");
        assert_eq!(runs.load(Ordering::SeqCst), before, "no handler has run");
        assert_eq!(get(service.at, "/about", &[]).await.body, "about");
        service.db.resume();
        assert_eq!(get(service.at, "/work", &[]).await.body, "done");
    }
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let runs = Runs::default();
    let change = |settings: plimsoll::Settings| settings.pool_max(1).max_waiting(1);
    let service = Service::start_with(Options::default(), change, |db| routes(db, &runs)).await;
    let lease = service.db.acquire().await.unwrap();
    let waits = tokio::spawn({
        let db = service.db.clone();
        async move { db.query_one("SELECT 2", &[]).await.map(drop) }
    });
    until("one waits", async || service.db.pool_status().waiting == 1).await;
    is_refused(&get(service.at, "/work", &[]).await, "PL-ACQ-02");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    drop(lease);
    waits.await.unwrap().unwrap();
    assert_eq!(get(service.at, "/work", &[]).await.body, "done");
}

#[tokio::test]
async fn a_closed_pool_refuses_every_route_of_a_router_that_says_so() {
    let runs = Runs::default();
    let service = Service::start(Options::default().needs_database(), |db| routes(db, &runs)).await;
    assert_eq!(get(service.at, "/about", &[]).await.body, "about");
    service.db.close().await;
    for path in ["/work", "/about"] {
        let answer = get(service.at, path, &[]).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("PL-ACQ-04")));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_stands_still_is_refused_within_its_silence() {
    use plimsoll_faults::{Direction, Fault, Proxy};
    let fresh = plimsoll_embedded::test_server::database().await.unwrap();
    let server = fresh.server();
    let proxy = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
    let url = fresh.url().replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port()));
    let settings = plimsoll::Settings::from_url(url).unwrap().pool_min(1).pool_max(2);
    let db = Database::connect(settings).await.unwrap();
    let runs = Runs::default();
    let router =
        routes(&db, &runs).layer(plimsoll_http::layers(&db, Options::default())).with_state(db.clone());
    let at = crate::service::serve(router).await;
    assert_eq!(get(at, "/work", &[]).await.body, "done");
    crate::service::has_its_heartbeat(&db, &fresh).await;
    proxy.set(Fault::blackhole(Direction::Both));
    until("the breaker opens", async || db.breaker().state == plimsoll::BreakerState::Open).await;
    is_refused(&get(at, "/work", &[]).await, "PL-BRK-01");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    proxy.heal();
    until("it is served again", async || get(at, "/work", &[]).await.status == 200).await;
}

#[tokio::test]
async fn a_service_that_has_no_database_yet_says_so_and_serves_once_it_has() {
    let fresh = test_server::database().await.unwrap();
    let (databases, runs) = (Databases::new(), Runs::default());
    let handler = |runs: &Runs| {
        let runs = Arc::clone(runs);
        async move || {
            runs.fetch_add(1, Ordering::SeqCst);
            "done"
        }
    };
    let needs = Router::new().route("/all", routing::get(handler(&runs)));
    let router = Router::new()
        .route("/first", routing::get(handler(&runs)).layer(NeedsDatabase::new(&databases)))
        .route("/second", routing::get(handler(&runs)).layer(NeedsDatabase::named(&databases, "second")))
        .layer(layers(&databases, Options::default()))
        .merge(needs.layer(layers(&databases, Options::default().needs_database())))
        .route("/about", routing::get(async || "about"));
    let at = serve(router).await;
    for path in ["/first", "/second", "/all"] {
        let answer = get(at, path, &[]).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("PL-HTTP-05")), "{answer:?}");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!((get(at, "/about", &[]).await.body.as_str(), runs.load(Ordering::SeqCst)), ("about", 0));

    let db = Database::connect(settings(&fresh).await).await.unwrap();
    assert!(databases.add("first", &db) && !databases.add("first", &db), "a name stands for one database");
    for (path, status) in [("/first", 200), ("/all", 200), ("/second", 503)] {
        assert_eq!(get(at, path, &[]).await.status, status, "{path}");
    }
    databases.add("second", &db);
    assert_eq!(get(at, "/second", &[]).await.body, "done");
    db.close().await;
}
