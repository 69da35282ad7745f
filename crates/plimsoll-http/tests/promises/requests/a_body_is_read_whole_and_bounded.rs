//! A body is read whole before the handler runs. One that is too long, too slow or broken is refused, and neither the handler
//! nor a connection of the pool waits for it.

use crate::client::{answer, raw};
use crate::service::Service;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use futures_util::StreamExt;
use plimsoll::Database;
use plimsoll_http::{Options, Problem};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

type Runs = Arc<AtomicUsize>;

fn routes(runs: &Runs) -> Router<Database> {
    let (runs, also) = (Arc::clone(runs), Arc::clone(runs));
    let length = move |body: Bytes| async move {
        runs.fetch_add(1, Ordering::SeqCst);
        body.len().to_string()
    };
    let ignores = move |State(db): State<Database>| async move {
        also.fetch_add(1, Ordering::SeqCst);
        db.named("sleeps").query_one("SELECT pg_sleep(60)", &[]).await.map(drop).map_err(Problem::from)
    };
    Router::new().route("/length", post(length)).route("/ignores", post(ignores))
}

fn limits() -> Options {
    Options::default().body_bytes(1000).body_within(Duration::from_millis(400))
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn one_that_fits_arrives_whole() {
    let runs = Runs::default();
    let service = Service::start(limits(), |_| routes(&runs)).await;
    for length in [0, 1, 1000] {
        let body = "x".repeat(length);
        let request = head("/length", &format!("Content-Length: {length}\r\n")) + &body;
        let answer = raw(service.at, request.as_bytes()).await;
        assert_eq!((answer.status, answer.body), (200, length.to_string()));
    }
    let chunked = head("/length", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(raw(service.at, chunked.as_bytes()).await.body, "5");
}

#[tokio::test]
async fn one_that_is_too_long_is_refused_whether_or_not_it_says_so() {
    let runs = Runs::default();
    let service = Service::start(limits(), |_| routes(&runs)).await;
    let said = head("/length", "Content-Length: 1001\r\n");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
    let unsaid = head("/length", "Transfer-Encoding: chunked\r\n") + &chunk + &chunk;
    let absurd = head("/length", "Content-Length: 9223372036854775807\r\n");
    for request in [said, unsaid, absurd] {
        let answer = raw(service.at, request.as_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("PL-HTTP-02")), "{request}");
        assert_eq!(answer.header("connection"), "close");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_that_dribbles_is_refused() {
    let runs = Runs::default();
    let service = Service::start(limits(), |_| routes(&runs)).await;
    let before = service.db.pool_status().acquired;
    let mut wire = TcpStream::connect(service.at).await.unwrap();
    wire.write_all(head("/length", "Content-Length: 900\r\n").as_bytes()).await.unwrap();
    let (mut reading, mut writing) = wire.into_split();
    let dribble = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut bytes = Vec::new();
    // The server may reset the rest of the body after its answer.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("PL-HTTP-03"), "{text}");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert_eq!(service.db.pool_status().acquired, before, "no connection has waited for it");
    dribble.abort();
}

#[tokio::test]
async fn one_that_is_malformed_is_refused() {
    let runs = Runs::default();
    let service = Service::start(limits(), |_| routes(&runs)).await;
    let request = head("/length", "Transfer-Encoding: chunked\r\n") + "zz\r\nabc\r\n";
    let answer = raw(service.at, request.as_bytes()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("PL-HTTP-04")));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

/// hyper does not see a client leave over HTTP/1.1 while its body lies unread in the socket. So it is read beforehand.
#[tokio::test]
async fn a_client_that_leaves_is_noticed_though_the_handler_ignores_its_body() {
    let runs = Runs::default();
    let options = Options::default().deadline(Duration::from_secs(50));
    let service = Service::start(options, |_| routes(&runs)).await;
    let mut wire = TcpStream::connect(service.at).await.unwrap();
    let body = "x".repeat(1_000_000);
    let request =
        format!("POST /ignores HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    wire.write_all(request.as_bytes()).await.unwrap();
    service.until_running("pg_sleep(60)", 1).await;
    drop(wire);
    service.until_running("pg_sleep(60)", 0).await;
    assert_eq!(service.records.of("/ignores").await["ended"], "client_left");
    service.until_at_rest().await;
}

#[tokio::test]
async fn a_router_that_streams_uploads_gets_them_as_they_come() {
    let counts = async |body: Body| {
        let mut pieces = body.into_data_stream();
        let mut length = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            length += piece.len();
        }
        length.to_string()
    };
    let options = limits().streams_uploads();
    let service = Service::start(options, |_| Router::new().route("/upload", post(counts))).await;
    let mut wire = TcpStream::connect(service.at).await.unwrap();
    wire.write_all(head("/upload", "Content-Length: 5000\r\n").as_bytes()).await.unwrap();
    for _ in 0..5 {
        wire.write_all("x".repeat(1000).as_bytes()).await.unwrap();
    }
    assert_eq!(answer(&mut wire).await.body, "5000");
}
