//! Each request leaves one record: its route, who it was from, its status, and what its work on the database took. So also one
//! that matched no route, one that failed, and one whose handler panicked.

use crate::client::get;
use crate::log::Log;
use crate::service::{self, Service, until};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::routing;
use plimsoll::{Database, Error, deadline, request_id};
use plimsoll_http::{Options, Problem, User, layers};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn works(State(db): State<Database>, Path(_): Path<String>) -> Result<(User, String), Problem> {
    db.query("SELECT generate_series(1, 3), pg_sleep(0.02)", &[]).await?;
    db.transaction(async |tx| tx.execute("INSERT INTO entry SELECT generate_series(1, 4)", &[]).await)
        .await?;
    let totals = request_id::totals().unwrap();
    Ok((User::new("u-17"), format!("{} {}", totals.statements, totals.rows)))
}

/// Fails twice in a way that may run again.
async fn retries(State(db): State<Database>) -> Result<String, Problem> {
    let tries = Arc::new(AtomicUsize::new(0));
    let done = db
        .retrying(async |tx| match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => tx.batch_execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").await,
            _ => Ok(()),
        })
        .await;
    done.map(|()| tries.load(Ordering::SeqCst).to_string()).map_err(Problem::from)
}

async fn waits(State(db): State<Database>) -> Result<String, Problem> {
    let held: Result<Vec<_>, Error> = futures_util::future::try_join_all((0..3).map(|_| db.acquire())).await;
    let held = held?;
    let late = tokio::spawn(deadline::inherit(async move { db.query_one("SELECT 1", &[]).await.map(drop) }));
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    drop(held);
    late.await.unwrap()?;
    Ok("waited".to_owned())
}

fn routes(_: &Database) -> Router<Database> {
    Router::new()
        .route("/works/{id}", routing::get(works))
        .route("/retries", routing::get(retries))
        .route("/waits", routing::get(waits))
        .route("/quiet", routing::get(async || "nothing asked"))
        .route("/panics", routing::get(async || -> &'static str { panic!("planned") }))
        .route("/forbidden", routing::get(async || StatusCode::FORBIDDEN))
}

async fn service() -> Service {
    let service = Service::start(Options::default(), routes).await;
    service.fresh.execute("CREATE TABLE entry (id int)").await.unwrap();
    service
}

#[tokio::test]
async fn a_record_tells_what_the_work_took() {
    let service = service().await;
    let answer = get(service.at, "/works/4711?token=hunter2", &[("Authorization", "Bearer hunter2")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "2 7"));
    let record = service.records.of("/works/{id}").await;
    assert_eq!((&record["method"], &record["status"]), (&"GET".into(), &200.into()));
    assert_eq!((&record["user"], &record["ended"]), (&"u-17".into(), &"answered".into()));
    assert_eq!(
        (&record["statements"], &record["rows"], &record["retries"]),
        (&2.into(), &7.into(), &0.into())
    );
    let [ms, sql_ms] = ["ms", "sql_ms"].map(|name| record[name].as_f64().unwrap());
    assert!(sql_ms >= 60.0 && ms >= sql_ms, "{record}");
    assert_eq!(record["request"], answer.header("x-request-id"));
    let said = record.to_string();
    assert!(!said.contains("4711") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_request_that_asked_for_nothing_took_nothing() {
    let service = service().await;
    get(service.at, "/quiet", &[]).await;
    let record = service.records.of("/quiet").await;
    for name in ["sql_ms", "wait_ms"] {
        assert_eq!(record[name], 0.0, "{name}");
    }
    for name in ["statements", "rows", "retries"] {
        assert_eq!(record[name], 0, "{name}");
    }
    assert_eq!(record.get("user"), None);
}

#[tokio::test]
async fn retries_and_waits_are_told() {
    let service = service().await;
    assert_eq!(get(service.at, "/retries", &[]).await.body, "3");
    assert_eq!(service.records.of("/retries").await["retries"], 2);
    assert_eq!(get(service.at, "/waits", &[]).await.body, "waited");
    let record = service.records.of("/waits").await;
    assert!(record["wait_ms"].as_f64().unwrap() >= 100.0, "{record}");
    assert_eq!(record["statements"], 1);
}

#[tokio::test]
async fn what_fails_is_told_as_it_is() {
    let service = service().await;
    assert_eq!(get(service.at, "/forbidden", &[]).await.status, 403);
    assert_eq!(service.records.of("/forbidden").await["status"], 403);
    assert_eq!(get(service.at, "/nowhere/4711", &[]).await.status, 404);
    assert_eq!(service.records.of("-").await["status"], 404);
    let mut wire = tokio::net::TcpStream::connect(service.at).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut wire, b"GET /panics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let record = service.records.of("/panics").await;
    assert_eq!((&record["status"], &record["ended"]), (&500.into(), &"panicked".into()));
}

#[tokio::test]
async fn it_goes_to_tracing_unless_it_is_told_otherwise() {
    let (log, _guard) = Log::start("plimsoll::access=info");
    let fresh = plimsoll_embedded::test_server::database().await.unwrap();
    let db = Database::connect(service::settings(&fresh).await).await.unwrap();
    let knows = middleware::from_fn(async |mut request: Request, next: Next| {
        request.extensions_mut().insert(User::new("u-18"));
        next.run(request).await
    });
    let router = routes(&db).layer(layers(&db, Options::default())).layer(knows).with_state(db);
    let at = service::serve(router).await;
    let answer = get(at, "/quiet", &[]).await;
    until("it is logged", async || !log.at("plimsoll::access").is_empty()).await;
    let line = log.at("plimsoll::access").remove(0);
    let fields = &line["fields"];
    assert_eq!(
        (&fields["route"], &fields["status"], &fields["user"]),
        (&"/quiet".into(), &200.into(), &"u-18".into())
    );
    assert_eq!(fields["request"], answer.header("x-request-id"));
    assert_eq!((&line["level"], &fields["message"]), (&"INFO".into(), &"GET /quiet 200".into()));
    assert_eq!(log.at("plimsoll::access").len(), 1);
}
