//! `GET /operator/system/capacity`: how full the database is.
//!
//! The report reads the sizes of all tables, on a connection of the pool. So there is one at a time for each database: those
//! that ask meanwhile share it, and for a second it is not made again.

use crate::endpoints::SCHEMA_VERSION;
use crate::endpoints::ask::{self, Shared};
use crate::problem::{Problem, never_began};
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Json;
use plimsoll::{Capacity, Database, Fault, TableSize, deadline};
use serde::Serialize;
use std::sync::Arc;
use tokio::time::timeout_at;

/// A report, or why there is none; `None` where the time of the caller that asked was over, which says nothing to others.
pub(in crate::endpoints) type Report = Result<Arc<Capacity>, Failed>;

/// Why there is no report.
#[derive(Clone, Debug)]
pub(in crate::endpoints) struct Failed {
    problem: Problem,
    /// Only the time of the caller that asked was over.
    is_own: bool,
}

/// How full a database is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct DatabaseCapacity {
    /// The version of this form.
    schema_version: u32,
    /// The name of the database.
    database: String,
    /// The size of the database, in bytes.
    db_size_bytes: u64,
    /// The same in MiB, with two decimals.
    db_size_mb: f64,
    /// Client connections of the whole server.
    connections_used: u32,
    /// The most connections that the server allows.
    connections_max: u32,
    /// The first in per cent of the second, with one decimal.
    connections_pct: f64,
    /// The ten largest tables, the largest first.
    top_tables: Vec<Table>,
}

/// The size of a table.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct Table {
    /// The name, with its schema.
    name: String,
    /// Everything, in MiB with two decimals.
    total_mb: f64,
    /// Rows, long values and maps, in MiB with two decimals.
    data_mb: f64,
    /// Indexes, in MiB with two decimals.
    index_mb: f64,
}

pub(in crate::endpoints) async fn capacity(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<(User, Json<DatabaseCapacity>), Problem> {
    let operator = shared.operator(&headers)?;
    let (name, db) = shared.database(&ask::query(&uri)?)?;
    let once = shared.report(&name);
    let report = once.get(|| ask(&db), |report| !matches!(report, Err(Failed { is_own: true, .. })));
    let report = match deadline::current() {
        None => report.await,
        // It may pass while another caller asks.
        Some(deadline) => timeout_at(deadline.instant(), report).await.map_err(|_| never_began())?,
    };
    Ok((operator, Json(DatabaseCapacity::of(&name, &*report.map_err(|failed| failed.problem)?))))
}

async fn ask(db: &Database) -> Report {
    // The error is logged where it happens.
    let failed = |error: plimsoll::Error| Failed {
        problem: Problem::of(&error),
        is_own: error.fault() == Fault::DeadlinePassed,
    };
    db.capacity().await.map(Arc::new).map_err(failed)
}

impl DatabaseCapacity {
    fn of(database: &str, capacity: &Capacity) -> Self {
        DatabaseCapacity {
            schema_version: SCHEMA_VERSION,
            database: database.to_owned(),
            db_size_bytes: capacity.db_size_bytes,
            db_size_mb: capacity.db_size_mb(),
            connections_used: capacity.connections_used,
            connections_max: capacity.connections_max,
            connections_pct: capacity.connections_pct(),
            top_tables: capacity.top_tables.iter().map(Table::of).collect(),
        }
    }
}

impl Table {
    fn of(table: &TableSize) -> Self {
        Table {
            name: table.name.clone(),
            total_mb: table.total_mb(),
            data_mb: table.data_mb(),
            index_mb: table.index_mb(),
        }
    }
}
