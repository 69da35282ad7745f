//! A client that leaves closes the spans of its request, each with an outcome: of a statement, of a transaction with a
//! statement under way, of a stream, and of a call that still waits for a connection.

use super::{Receiver, TRACE, attribute, has_failed, install, named};
use crate::client::EACH;
use crate::service::{Service, rows, until};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use plimsoll::Database;
use plimsoll_http::{Options, Problem};
use std::time::Duration;

async fn plain(State(db): State<Database>) -> Result<(), Problem> {
    db.named("sleeps").query_one("SELECT pg_sleep(60)", &[]).await?;
    Ok(())
}

async fn transaction(State(db): State<Database>) -> Result<(), Problem> {
    db.named("begins and sleeps")
        .transaction(async |tx| tx.query_one("SELECT pg_sleep(60)", &[]).await)
        .await?;
    Ok(())
}

const SLOW_ROWS: &str = "SELECT repeat('x', 20000) || pg_sleep(CASE WHEN i > 3 THEN 60 ELSE 0 END)::text \
                         FROM generate_series(1, 9) AS i";

async fn stream(State(db): State<Database>) -> Response {
    rows(db, SLOW_ROWS)
}

/// Makes every request part of the trace that its path names, since the clients that leave send no header of their own.
async fn traced(mut request: Request, next: Next) -> Response {
    let header = super::traceparent(TRACE).parse().unwrap();
    request.headers_mut().insert("traceparent", header);
    next.run(request).await
}

async fn service() -> Service {
    let fresh = plimsoll_embedded::test_server::database().await.unwrap();
    let db = Database::connect(crate::service::settings(&fresh).await).await.unwrap();
    crate::service::has_its_heartbeat(&db, &fresh).await;
    let records = crate::service::Records::default();
    let options = Options::default().deadline(Duration::from_secs(50));
    let router = Router::new()
        .route("/plain", get(plain))
        .route("/transaction", get(transaction))
        .route("/stream", get(stream))
        .layer(plimsoll_http::layers(&db, options))
        .layer(middleware::from_fn(traced))
        .with_state(db.clone());
    let at = crate::service::serve(router.clone()).await;
    Service { at, db, fresh, records, router }
}

#[tokio::test]
async fn a_client_that_leaves_closes_them() {
    for how in EACH {
        for (path, names) in [
            ("/plain", &["sleeps"][..]),
            ("/transaction", &["begins and sleeps", "SELECT"]),
            ("/stream", &["acquire", "SELECT"]),
        ] {
            let receiver = Receiver::start().await;
            let (guard, _default) = install(receiver.options());
            let service = service().await;
            let mut asking = crate::client::ask(how, service.at, path).await;
            if path == "/stream" {
                asking.first_piece().await;
            }
            service.until_running("pg_sleep", 1).await;
            asking.leave().await;
            let spans = receiver.trace(&guard, TRACE, names.len() + 1).await;
            let request = named(&spans, &format!("GET {path}"));
            assert_eq!(attribute(request, "plimsoll.ended"), "client_left", "{how:?} {path}");
            assert!(!has_failed(request), "it is no failure of the server's");
            for name in names {
                let span = spans.iter().find(|span| span.name.starts_with(name)).expect(name);
                let outcome = if *name == "acquire" { "lent" } else { "dropped" };
                assert_eq!(attribute(span, "plimsoll.outcome"), outcome, "{how:?} {path} {span:#?}");
                assert!(!has_failed(span));
                assert!(span.end_time_unix_nano > 0);
            }
            service.until_running("pg_sleep", 0).await;
            service.until_at_rest().await;
            service.end().await;
        }
    }
}

#[tokio::test]
async fn one_that_leaves_the_queue_closes_its_own() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let service = service().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(service.db.acquire().await.unwrap());
    }
    let asking = crate::client::ask(crate::client::Leaving::Http1, service.at, "/transaction").await;
    until("it waits", async || service.db.pool_status().waiting == 1).await;
    asking.leave().await;
    let spans = receiver.trace(&guard, TRACE, 2).await;
    let waits = named(&spans, "begins and sleeps");
    assert_eq!(attribute(waits, "plimsoll.outcome"), "dropped");
    assert_eq!(attribute(waits, "plimsoll.wait_ms"), "", "the wait was never over");
    drop(held);
    service.until_at_rest().await;
    service.end().await;
}

/// A handle that outlives its transaction does not keep the span open.
#[tokio::test]
async fn a_handle_that_lives_on_keeps_no_span_open() {
    let receiver = Receiver::start().await;
    let (guard, _default) = install(receiver.options());
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    let keeps = std::sync::Arc::clone(&kept);
    let routes = move |_: &Database| {
        let keeps = async move |State(db): State<Database>| {
            let work = async |tx: plimsoll::Transaction| {
                tx.execute("SELECT 1", &[]).await?;
                *keeps.lock().unwrap() = Some(tx);
                Ok(())
            };
            db.named("keeps its handle").transaction(work).await.map_err(Problem::from)
        };
        Router::new().route("/keeps", get(keeps))
    };
    let service = Service::start(Options::default(), routes).await;
    crate::client::get(service.at, "/keeps", &[("traceparent", &super::traceparent(TRACE))]).await;
    let spans = receiver.trace(&guard, TRACE, 3).await;
    assert_eq!(attribute(named(&spans, "keeps its handle"), "plimsoll.outcome"), "committed");
    assert!(kept.lock().unwrap().is_some());
    service.end().await;
}
