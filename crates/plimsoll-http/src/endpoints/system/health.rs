//! `GET /operator/system/health`: how each part of the service is, and what its pools hold.
//!
//! The database is asked past the pool, so it is told apart from a pool that is used up. An answer is at most a second old,
//! and all that ask at once share one. 503 when a part is down, with the same body: what only looks at the status sees the
//! outage too.

use crate::endpoints::SCHEMA_VERSION;
use crate::endpoints::ask::{Shared, Which};
use crate::endpoints::component::ComponentHealth;
use crate::endpoints::word::Word;
use crate::problem::Problem;
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use futures_util::future::{join, join_all};
use plimsoll::{Database, Health, HealthState};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How old an answer may be.
const FRESH: Duration = Duration::from_secs(1);

/// How the service is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct SystemHealth {
    /// The version of this form.
    schema_version: u32,
    /// The worst that any part says.
    status: Word,
    /// Each part.
    components: Components,
    /// What each pool holds, by the name of its database.
    pools: BTreeMap<String, Pool>,
}

/// The parts of the service.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct Components {
    /// The database.
    postgres: DatabaseState,
    /// The parts that the service has named.
    #[serde(flatten)]
    others: BTreeMap<String, ComponentState>,
}

/// How the database is.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct DatabaseState {
    /// How it is.
    status: Word,
    /// How long the database took to answer, in whole milliseconds.
    latency_ms: Option<u64>,
    /// Connections of all clients to this database.
    connections: Option<u32>,
    /// The most connections that the server allows.
    max_connections: Option<u32>,
    /// What is wrong, in one text, where it is down.
    error: Option<String>,
    /// What is wrong or amiss, a sentence each.
    reasons: Vec<String>,
}

/// How a part of the service is; it may have further fields of its own.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct ComponentState {
    /// How it is.
    status: Word,
    /// How long it took to answer, in whole milliseconds, if that says something.
    latency_ms: Option<u64>,
    /// What is wrong, in one text, where it is down.
    error: Option<String>,
    /// What is wrong or amiss, a sentence each.
    reasons: Vec<String>,
    /// What the part tells besides.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Value>))]
    details: Map<String, Value>,
}

/// What a pool holds.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(in crate::endpoints) struct Pool {
    /// Connections that are kept open even when nothing is asked for.
    min: usize,
    /// Connections that it may keep, without overflow.
    max: usize,
    /// Connections kept at the most.
    size: usize,
    /// Idle connections.
    checked_in: usize,
    /// Lent connections, and those that are being made clean.
    checked_out: usize,
    /// Connections above `size`.
    overflow: usize,
    /// Connections that exist.
    total_connections: usize,
    /// Callers that wait for a connection.
    waiting: usize,
}

pub(in crate::endpoints) async fn health(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<(StatusCode, User, Json<SystemHealth>), Problem> {
    let operator = shared.operator(&headers)?;
    let others = shared.components.iter().map(async |part| (part.name(), part.health().await));
    let ((state, postgres), others) = join(database(&shared), join_all(others)).await;
    let worst = others.iter().map(|(_, health)| health.state).fold(state, HealthState::max);
    let others =
        others.into_iter().map(|(name, health)| (name.to_owned(), ComponentState::of(health))).collect();
    let pools = shared.databases.all();
    let told = SystemHealth {
        schema_version: SCHEMA_VERSION,
        status: worst.into(),
        components: Components { postgres, others },
        pools: pools.iter().map(|(name, db)| (name.to_string(), Pool::of(db))).collect(),
    };
    let status = if worst == HealthState::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, operator, Json(told)))
}

async fn database(shared: &Shared) -> (HealthState, DatabaseState) {
    match shared.database(&Which::default()) {
        Ok((_, db)) => {
            let health = fresh(&db).await;
            (health.state, DatabaseState::of(health))
        }
        Err(_) => {
            let reasons = vec!["the database has not been reached since the service started".to_owned()];
            (HealthState::Down, DatabaseState::new(HealthState::Down, reasons))
        }
    }
}

/// An answer that is not older than [`FRESH`] when it is asked for.
async fn fresh(db: &Database) -> Health {
    let asked = Instant::now();
    let health = db.health(false).await;
    if health.age <= asked.elapsed().saturating_add(FRESH) { health } else { db.health(true).await }
}

/// What is wrong, in one text, where a part is down.
fn error(state: HealthState, reasons: &[String]) -> Option<String> {
    (state == HealthState::Down).then(|| reasons.join("; "))
}

fn in_ms(latency: Option<Duration>) -> Option<u64> {
    latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))
}

impl DatabaseState {
    fn new(state: HealthState, reasons: Vec<String>) -> Self {
        let error = error(state, &reasons);
        let status = state.into();
        DatabaseState { status, latency_ms: None, connections: None, max_connections: None, error, reasons }
    }

    fn of(health: Health) -> Self {
        DatabaseState {
            latency_ms: in_ms(health.latency),
            connections: health.connections,
            max_connections: health.max_connections,
            ..DatabaseState::new(health.state, health.reasons)
        }
    }
}

impl ComponentState {
    fn of(health: ComponentHealth) -> Self {
        let ComponentHealth { state, latency, reasons, mut details } = health;
        // A field cannot be there twice.
        for taken in ["status", "latency_ms", "error", "reasons"] {
            details.remove(taken);
        }
        let error = error(state, &reasons);
        ComponentState { status: state.into(), latency_ms: in_ms(latency), error, reasons, details }
    }
}

impl Pool {
    fn of(db: &Database) -> Self {
        let (status, plan) = (db.pool_status(), db.plan());
        Pool {
            min: plan.pool_min(),
            max: plan.pool_max(),
            size: status.size,
            checked_in: status.checked_in,
            checked_out: status.checked_out,
            overflow: status.overflow,
            total_connections: status.total_connections,
            waiting: status.waiting,
        }
    }
}
