//! A service that can be made slow, to stand still, and to refuse.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::{sleep, sleep_until};

/// What it has seen, and when it stands still.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) calls: AtomicU64,
    pub(super) with_token: AtomicU64,
    pub(super) posted: AtomicU64,
    /// Milliseconds before each answer.
    pub(super) slow: AtomicU64,
    first: std::sync::Mutex<Option<Instant>>,
}

/// A service on loopback.
pub(super) struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) url: String,
}

/// From so long after the first call it stands still for a second.
const STALL_AFTER: Duration = Duration::from_millis(500);
pub(super) const STALL: Duration = Duration::from_secs(1);

impl Service {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared {
            calls: AtomicU64::new(0),
            with_token: AtomicU64::new(0),
            posted: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            first: std::sync::Mutex::default(),
        });
        let routes = Router::new()
            .route("/", get(ok))
            .route("/stall", get(stall))
            .route("/status", get(status))
            .route("/never", get(never))
            .route("/post", post(posted))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Service { shared, url }
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

async fn ok(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> &'static str {
    shared.calls.fetch_add(1, Ordering::Relaxed);
    let has_token = headers.get("authorization").is_some_and(|value| value == "Bearer secret");
    shared.with_token.fetch_add(u64::from(has_token), Ordering::Relaxed);
    let slow = shared.slow.load(Ordering::Relaxed);
    if slow > 0 {
        sleep(Duration::from_millis(slow)).await;
    }
    "ok"
}

async fn stall(State(shared): State<Arc<Shared>>) -> &'static str {
    shared.calls.fetch_add(1, Ordering::Relaxed);
    let first = *shared.first.lock().unwrap().get_or_insert_with(Instant::now);
    let (from, until) = (first + STALL_AFTER, first + STALL_AFTER + STALL);
    if (from..until).contains(&Instant::now()) {
        sleep_until(until.into()).await;
    }
    "ok"
}

/// `/status?is=503&retry=1`
async fn status(Query(asked): Query<HashMap<String, String>>) -> Response {
    let code = StatusCode::from_u16(asked["is"].parse().unwrap()).unwrap();
    match asked.contains_key("retry") {
        true => (code, [("retry-after", "1")], "no").into_response(),
        false => (code, "no").into_response(),
    }
}

async fn never() -> &'static str {
    std::future::pending().await
}

async fn posted(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> StatusCode {
    let is_right =
        body == r#"{"a":1}"# && headers.get("content-type").is_some_and(|it| it == "application/json");
    shared.posted.fetch_add(u64::from(is_right), Ordering::Relaxed);
    if is_right { StatusCode::CREATED } else { StatusCode::BAD_REQUEST }
}

/// The report of a run.
pub(super) fn report(out: &str) -> Value {
    let report: Value = serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(report["schema_version"], 1);
    report
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
