//! A stream of rows gives its connection back, whatever its reader does: when it has ended, when its deadline passes, and even
//! if its client does not read, so that the server asks for no more of it.

use crate::client::{answer, get};
use crate::log::Log;
use crate::service::{Service, first, rows, rows_in_transaction, until};
use axum::Router;
use axum::extract::State;
use axum::routing;
use plimsoll::{Database, deadline, request_id};
use plimsoll_http::Options;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn routes(_: &Database) -> Router<Database> {
    Router::new()
        .route(
            "/few",
            routing::get(async |State(db): State<Database>| {
                rows(db, "SELECT 'row ' || i || ' ' FROM generate_series(1, 5) AS i")
            }),
        )
        .route(
            "/many",
            routing::get(async |State(db): State<Database>| {
                rows(db, "SELECT repeat('x', 10000) FROM generate_series(1, 1000000)")
            }),
        )
        .route(
            "/few/in/transaction",
            routing::get(async |State(db): State<Database>| {
                rows_in_transaction(db, "SELECT 'row ' || i || ' ' FROM generate_series(1, 5) AS i")
            }),
        )
        .route(
            "/many/in/transaction",
            routing::get(async |State(db): State<Database>| {
                rows_in_transaction(db, "SELECT repeat('x', 10000) FROM generate_series(1, 1000000)")
            }),
        )
        .route(
            "/stuck",
            routing::get(async |State(db): State<Database>| {
                rows(
                    db,
                    "SELECT repeat('x', 20000) || pg_sleep(CASE WHEN i > 2 THEN 60 ELSE 0 END)::text \
                      FROM generate_series(1, 9) AS i",
                )
            }),
        )
        .route(
            "/scope",
            routing::get(async || {
                crate::service::streamed(|sender| async move {
                    let told =
                        format!("{} {}", request_id::current().is_some(), deadline::current().is_some());
                    sender.send(told.into()).await.expect("it is read");
                    Ok(())
                })
            }),
        )
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test]
async fn one_that_ends_is_recorded_with_all_its_rows() {
    let service = Service::start(Options::default(), routes).await;
    let answer = get(service.at, "/few", &[]).await;
    assert!(answer.body.contains("row 1 ") && answer.body.contains("row 5 "), "{answer:?}");
    let record = service.records.of("/few").await;
    assert_eq!((&record["status"], &record["ended"]), (&200.into(), &"answered".into()));
    assert_eq!((&record["statements"], &record["rows"]), (&1.into(), &5.into()));
    assert!(record["sql_ms"].as_f64().unwrap() > 0.0);
    service.until_at_rest().await;
}

#[tokio::test]
async fn it_is_read_inside_the_scope_of_its_request() {
    let service = Service::start(Options::default(), routes).await;
    assert!(get(service.at, "/scope", &[]).await.body.contains("true true"));
}

#[tokio::test]
async fn one_whose_rows_do_not_come_ends_by_its_deadline() {
    let (log, _guard) = Log::start("plimsoll::http=warn");
    let service = Service::start(Options::default().deadline(ms(800)), routes).await;
    let mut wire = TcpStream::connect(service.at).await.unwrap();
    wire.write_all(b"GET /stuck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let got = answer(&mut wire).await;
    assert_eq!(got.status, 200);
    assert!(!got.body.ends_with("0\r\n\r\n"), "an answer that broke off does not look whole");
    assert_eq!(service.records.of("/stuck").await["ended"], "deadline_passed");
    assert!(log.text().contains("the request's deadline passed"));
    service.until_running("pg_sleep", 0).await;
    service.until_at_rest().await;
}

/// How many sessions are in a transaction.
async fn in_transaction(service: &Service) -> String {
    let sql = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
    first(&service.fresh, sql).await
}

#[tokio::test]
async fn one_that_its_client_does_not_read_ends_by_its_deadline() {
    for path in ["/many", "/many/in/transaction"] {
        let service = Service::start(Options::default().deadline(ms(1500)), routes).await;
        let mut wire = TcpStream::connect(service.at).await.unwrap();
        wire.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut beginning = [0; 100];
        wire.read_exact(&mut beginning).await.unwrap();
        assert_eq!(service.db.pool_status().checked_out, 1, "it holds a connection");
        // And now nothing is read any more, and the socket stays open.
        until("it has ended", async || !service.records.all().is_empty()).await;
        assert_eq!(service.records.of(path).await["ended"], "deadline_passed");
        until("no transaction is left", async || in_transaction(&service).await == "0").await;
        service.until_at_rest().await;
        drop(wire);
        service.end().await;
    }
}

#[tokio::test]
async fn one_in_a_transaction_commits_when_it_has_ended() {
    let service = Service::start(Options::default(), routes).await;
    assert!(get(service.at, "/few/in/transaction", &[]).await.body.contains("row 5 "));
    let record = service.records.of("/few/in/transaction").await;
    assert_eq!((&record["ended"], &record["rows"]), (&"answered".into(), &5.into()));
    until("no transaction is left", async || in_transaction(&service).await == "0").await;
    service.until_at_rest().await;
}
