//! The server answers in place of a handler that could not read a request's body, and the access log has the status that the
//! client got, and not the one that the handler gave.

use crate::client;
use crate::service::{PATIENCE, Records, Service, until};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use plimsoll::Database;
use plimsoll_http::serve::{ServeOptions, StopBy, StopHandle, Stopped};
use plimsoll_http::{Options, layers};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a test waits for a body that does not come.
const PAUSE: Duration = Duration::from_millis(300);

const CHUNKED: &str = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n";

struct Server {
    at: SocketAddr,
    stop: StopHandle,
    stopped: JoinHandle<Stopped>,
    records: Records,
    _service: Service,
}

/// Handlers behind the layers, in this server and with its limits. One has its body read by the layers, two read it themselves.
async fn start(pause: Duration) -> Server {
    let service = Service::start(Options::default(), |_| Router::new()).await;
    let records = Records::default();
    let options = || Options::default().access_log(records.keeper());
    let router = Router::new()
        .route("/read", post(async |State(_): State<Database>| "read"))
        .layer(layers(&service.db, options()))
        .merge(
            Router::new()
                .route(
                    "/refuses",
                    post(async |body: Body| match to_bytes(body, usize::MAX).await {
                        Ok(_) => StatusCode::OK,
                        Err(_) => StatusCode::IM_A_TEAPOT,
                    }),
                )
                .route("/content", post(async |body: Body| drop(to_bytes(body, usize::MAX).await)))
                .layer(layers(&service.db, options().streams_uploads())),
        )
        .with_state(service.db.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = StopHandle::new();
    let limits = ServeOptions {
        body_bytes: 1_000,
        body_pause: pause,
        grace: Duration::from_secs(5),
        stop: StopBy::Handle(stop.clone()),
        ..ServeOptions::default()
    };
    let stopped = tokio::spawn(async move { plimsoll_http::serve(listener, router, limits).await.unwrap() });
    Server { at, stop, stopped, records, _service: service }
}

/// What the client of this request got, and what the log has.
async fn told(server: &Server, path: &str, rest: &str) -> (u16, Value) {
    let answer = client::raw(server.at, format!("POST {path} HTTP/1.1\r\n{rest}").as_bytes()).await;
    (answer.status, server.records.of(path).await)
}

fn both(status: u16, record: &Value) -> (u16, &Value, Option<&Value>) {
    (status, &record["status"], record.get("code"))
}

#[tokio::test]
async fn a_body_that_dribbles() {
    for path in ["/read", "/refuses"] {
        let server = start(PAUSE).await;
        let (status, record) = told(&server, path, &format!("{CHUNKED}4\r\nhalf\r\n")).await;
        assert_eq!(both(status, &record), (408, &408.into(), None), "{path}: {record}");
    }
}

#[tokio::test]
async fn a_body_that_grows_too_large() {
    for path in ["/read", "/refuses"] {
        let server = start(PAUSE).await;
        let rest = format!("{CHUNKED}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2_000));
        let (status, record) = told(&server, path, &rest).await;
        assert_eq!(both(status, &record), (413, &413.into(), None), "{path}: {record}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole_when_the_server_stops() {
    for path in ["/read", "/refuses"] {
        let server = start(PATIENCE).await;
        let mut wire = TcpStream::connect(server.at).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nExpect: 100-continue\r\n{CHUNKED}");
        wire.write_all(head.as_bytes()).await.unwrap();
        // It says so when it begins to read the body.
        let mut said = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        timeout(PATIENCE, wire.read_exact(&mut said)).await.unwrap().unwrap();
        server.stop.stop();
        let answer = client::answer(&mut wire).await;
        let record = server.records.of(path).await;
        assert_eq!(both(answer.status, &record), (503, &503.into(), None), "{path}: {record}");
        server.stopped.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_the_server_lets_through() {
    let server = start(PAUSE).await;
    let (status, record) = told(&server, "/content", &format!("{CHUNKED}4\r\nhalf\r\n")).await;
    assert_eq!(both(status, &record), (200, &200.into(), None), "a handler may be content with half a body");
    let server = start(PAUSE).await;
    let (status, record) =
        told(&server, "/read", "Host: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(both(status, &record), (200, &200.into(), None));
    until("it has one record", async || server.records.all().len() == 1).await;
}
