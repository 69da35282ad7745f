//! Every path there is.

use crate::http::problem::Problem;
use crate::http::request;
use crate::service::Service;
use crate::{devices, ingest, operator};
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Json;
use axum::routing::{get, post};
use serde_json::{Value, json};

pub(crate) fn all(service: Service) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/ingest/v1/tenant/{tenant}/device/{device}/telemetry", post(ingest::routes::telemetry))
        .route("/ingest/tenant/{tenant}/device/{device}/telemetry", post(ingest::routes::telemetry))
        .route("/api/v1/customer/devices", get(devices::routes::list))
        .route("/customer/devices", get(devices::routes::list))
        .route("/api/v1/operator/system/health", get(operator::routes::health))
        .route("/operator/system/health", get(operator::routes::health))
        .route("/api/v1/operator/system/capacity", get(operator::routes::capacity))
        .route("/operator/system/capacity", get(operator::routes::capacity))
        .route("/api/health/database", get(operator::routes::database))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(middleware::from_fn(request::scope))
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
