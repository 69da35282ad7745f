//! `GET /api/health/database`: how the database is, in one word.
//!
//! The word is what the database said last ([`Database::health`](plimsoll::Database::health)), together with how its pool does
//! ([`Monitoring::health_status`](plimsoll::monitor::Monitoring::health_status)). A database that does not answer is 503; one
//! that answers is 200, whatever is amiss, since to send its requests elsewhere would not help.

use super::SCHEMA_VERSION;
use super::ask::{self, Shared};
use super::word::Word;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Json;
use plimsoll::HealthState;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The database answers.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct DatabaseHealth {
    /// The version of this form.
    schema_version: u32,
    /// `healthy`, or `degraded` if something is amiss.
    status: Word,
    /// What is amiss; for operators, where it is `degraded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<String>>,
}

pub(super) async fn health(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<DatabaseHealth>, Problem> {
    let is_operator = shared.is_operator(&headers);
    let (_, db) = shared.database(&ask::query(&uri)?)?;
    let health = db.health(false).await;
    if health.state == HealthState::Down {
        let unhealthy = "Database unhealthy";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNHEALTHY", unhealthy)
            .member("detail", unhealthy)
            .retry_after(Duration::from_secs(2));
        return Err(if is_operator { problem.member("reasons", health.reasons) } else { problem });
    }
    let mut warnings = health.reasons;
    for warning in db.monitor().health_status().warnings {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let status = if warnings.is_empty() { Word::Healthy } else { Word::Degraded };
    let warnings = (is_operator && !warnings.is_empty()).then_some(warnings);
    Ok(Json(DatabaseHealth { schema_version: SCHEMA_VERSION, status, warnings }))
}
