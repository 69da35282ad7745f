//! Health over HTTP. All of it goes through the pool `system`, which has connections when the others have none.

use super::health;
use crate::http::failure::Reply;
use crate::service::Service;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use plimsoll::HealthState;
use plimsoll_http::{Problem, User};
use serde_json::json;
use std::time::Duration;

/// Lets operators pass, by their names for the access log.
fn operator(service: &Service, headers: &HeaderMap) -> Result<User, Problem> {
    service.operators().check(headers).map(|operator| User::new(operator.name()))
}

/// `GET /operator/system/health`: how each part is. 503 when one is down, with the same body: what only looks at the status
/// sees the outage too.
pub(crate) async fn health(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Response)> {
    let user = operator(&service, &headers)?;
    let (state, told) = health::of_the_service(service.is_ready()).await;
    let status = match state {
        HealthState::Down => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    Ok((user, (status, Json(told)).into_response()))
}

/// `GET /operator/system/capacity`: how full the database is.
pub(crate) async fn capacity(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Reply)> {
    let user = operator(&service, &headers)?;
    Ok((user, of_the_database(&service).await))
}

async fn of_the_database(service: &Service) -> Reply {
    let capacity = service.ready()?.pools.system.capacity().await?;
    let tables: Vec<_> = capacity
        .top_tables
        .iter()
        .map(|table| {
            json!({
                "name": table.name,
                "total_mb": table.total_mb(),
                "data_mb": table.data_mb(),
                "index_mb": table.index_mb(),
            })
        })
        .collect();
    let told = json!({
        "db_size_bytes": capacity.db_size_bytes,
        "db_size_mb": capacity.db_size_mb(),
        "connections_used": capacity.connections_used,
        "connections_max": capacity.connections_max,
        "connections_pct": capacity.connections_pct(),
        "top_tables": tables,
    });
    Ok(Json(told).into_response())
}

/// `GET /api/health/database`: one word for whoever decides where requests go, without a token.
pub(crate) async fn database(State(service): State<Service>) -> Reply {
    let health = service.ready()?.pools.system.health(false).await;
    match health.state {
        HealthState::Healthy => Ok(Json(json!({ "status": "healthy" })).into_response()),
        HealthState::Degraded => {
            Ok(Json(json!({ "status": "degraded", "warnings": health.reasons })).into_response())
        }
        _ => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNHEALTHY", "Database unhealthy")
            .retry_after(Duration::from_secs(2))
            .into()),
    }
}
