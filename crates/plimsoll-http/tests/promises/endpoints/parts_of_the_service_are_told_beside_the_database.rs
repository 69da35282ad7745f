//! A service names its own parts, and the health for operators tells of each beside the database: the worst decides, one that
//! is silent or panics is down, and none is asked more often than once a second.

use super::site::{Site, Who, database};
use axum::http::StatusCode;
use plimsoll_http::{ComponentHealth, EndpointOptions};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[tokio::test]
async fn and_the_worst_decides() {
    let (db, _fresh) = database().await;
    let fine = || async { ComponentHealth::healthy() };
    for (part, status, code) in [
        (ComponentHealth::healthy(), "healthy", StatusCode::OK),
        (ComponentHealth::degraded("3 readings are late"), "degraded", StatusCode::OK),
        (ComponentHealth::down("the disk is full"), "down", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let told = part.clone().detail("waiting", 3).detail("status", "fine");
        let options = EndpointOptions::default()
            .component("ingest", fine)
            .component("postgres", || async { ComponentHealth::down("not the database") })
            .component("ingest", move || std::future::ready(told.clone()));
        let site = Site::new(&(&db).into(), options).await;
        for path in ["/operator/system/health", "/api/v1/operator/system/health"] {
            let answer = site.get(Who::Operator, path).await;
            assert_eq!(answer.status, code.as_u16(), "{answer:?}");
            let told = answer.json();
            assert_eq!(told["status"], status, "{told:#}");
            assert_eq!(told["components"]["postgres"]["status"], "healthy", "{told:#}");
            let ingest = &told["components"]["ingest"];
            assert_eq!((&ingest["status"], &ingest["waiting"]), (&json!(status), &json!(3)), "{told:#}");
            let error = if status == "down" { json!("the disk is full") } else { json!(null) };
            assert_eq!(ingest["error"], error, "{told:#}");
        }
    }
    db.close().await;
}

#[tokio::test]
async fn and_one_that_is_silent_or_panics_is_down() {
    let (db, _fresh) = database().await;
    let options = EndpointOptions::default()
        .component("silent", std::future::pending)
        .component("panics", || async { panic!("a mistake in the service") });
    let site = Site::new(&(&db).into(), options).await;
    let asked = Instant::now();
    let answer = site.get(Who::Operator, "/operator/system/health").await;
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    let told = answer.json();
    assert_eq!((answer.status, &told["components"]["postgres"]["status"]), (503, &json!("healthy")));
    assert_eq!(told["components"]["silent"]["error"], "no answer within 3 s");
    assert_eq!(told["components"]["panics"]["error"], "the question how it is has panicked");
    db.close().await;
}

#[tokio::test]
async fn and_many_who_ask_are_one_question() {
    let (db, _fresh) = database().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let options = EndpointOptions::default().component("ingest", move || {
        counts.fetch_add(1, Ordering::SeqCst);
        async { ComponentHealth::healthy() }
    });
    let site = Site::new(&(&db).into(), options).await;
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(site.get(Who::Operator, "/operator/system/health").await.status, 200);
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 1).contains(&asked.load(Ordering::SeqCst)), "{asked:?} in {seconds} s");
    db.close().await;
}

#[tokio::test]
async fn and_another_server_is_a_part_by_its_own_health() {
    let ((db, _one), (warehouse, _two)) = (database().await, database().await);
    let asked = warehouse.clone();
    let options = EndpointOptions::default().component("warehouse", move || {
        let warehouse = asked.clone();
        async move { warehouse.health(false).await.into() }
    });
    let site = Site::new(&(&db).into(), options).await;
    let told = site.get(Who::Operator, "/operator/system/health").await.json();
    let part = &told["components"]["warehouse"];
    assert_eq!(part["status"], "healthy", "{told:#}");
    assert!(part["latency_ms"].is_u64() && part["max_connections"].is_u64(), "{told:#}");
    db.close().await;
    warehouse.close().await;
}
