//! `GET /api/metrics/database`: everything that is known of a pool and its statements, which asks the server nothing.

use super::SCHEMA_VERSION;
use super::ask::{self, Shared};
use crate::problem::Problem;
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Json;
use plimsoll::monitor::Snapshot;
use serde::Serialize;
use std::sync::Arc;

/// What is known of a database.
#[derive(Debug, Serialize)]
pub(super) struct DatabaseMetrics {
    /// The version of this form.
    schema_version: u32,
    /// The name of the database.
    database: String,
    #[serde(flatten)]
    snapshot: Snapshot,
}

pub(super) async fn database(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(User, Json<DatabaseMetrics>), Problem> {
    let operator = shared.operator(&headers)?;
    let (database, db) = shared.database(&ask::query(&uri)?)?;
    Ok((
        operator,
        Json(DatabaseMetrics {
            schema_version: SCHEMA_VERSION,
            database: database.to_string(),
            snapshot: db.snapshot(),
        }),
    ))
}
