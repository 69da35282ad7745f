//! Every path there is, and the layers around all of them.

use crate::boot::alert_paths;
use crate::ingest::message;
use crate::service::Service;
use crate::{devices, ingest, operator};
use axum::Router;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use plimsoll_http::{NeedsDatabase, Options, Problem, layers};
use serde_json::{Value, json};
use std::time::Duration;

/// Requests may take so long.
pub(crate) fn all(service: Service, deadline: Duration) -> Router {
    let databases = service.databases().clone();
    let needs = |pool| NeedsDatabase::named(&databases, pool);
    let readings = || post(ingest::routes::telemetry).route_layer(needs("ingest"));
    let list = || get(devices::routes::list).route_layer(needs("ui"));
    // No path takes a longer body.
    let options = Options::default().deadline(deadline).body_bytes(message::LARGEST);
    Router::new()
        .route("/healthz", get(alive))
        .route("/ingest/v1/tenant/{tenant}/device/{device}/telemetry", readings())
        .route("/ingest/tenant/{tenant}/device/{device}/telemetry", readings())
        .route("/api/v1/customer/devices", list())
        .route("/customer/devices", list())
        .route("/api/v1/operator/system/health", get(operator::routes::health))
        .route("/operator/system/health", get(operator::routes::health))
        .route("/api/v1/operator/system/capacity", get(operator::routes::capacity))
        .route("/operator/system/capacity", get(operator::routes::capacity))
        .route("/api/health/database", get(operator::routes::database))
        .merge(alert_paths::all(&needs("ui")))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(layers(&databases, options))
        .with_state(service)
}

/// Whether the process answers. The database has no part in it: to restart a service because its database is away helps
/// nobody.
async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path")
}

async fn not_this_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this path does not take this method")
}
