//! `GET /operator/system/ingest`: what comes in, as far as this instance knows it without asking its database.

use crate::service::Service;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Json;
use plimsoll_http::{Problem, User};
use serde::Serialize;

/// Raised with every change of the form.
const SCHEMA_VERSION: u32 = 1;

/// What comes in. Totals are since the start of this instance.
#[derive(Debug, Serialize)]
pub(super) struct Inflow {
    schema_version: u32,
    /// Readings that were committed and then acknowledged.
    acknowledged: u64,
    /// Readings that wait to be written.
    waiting: usize,
    /// How long the newest took to be committed, in milliseconds.
    newest_took_ms: u64,
    /// Messages that named a tenant which no message has proved to exist.
    strangers: u64,
    /// Messages that were counted and not kept, because too many waited.
    not_kept: u64,
}

pub(super) async fn inflow(
    State(service): State<Service>,
    headers: HeaderMap,
) -> Result<(User, [(HeaderName, HeaderValue); 1], Json<Inflow>), Problem> {
    let operator = service.operators().check(&headers)?;
    let writer = service.is_ready().map(|ready| &ready.writer);
    let took = writer.map(|writer| writer.took().as_millis()).unwrap_or_default();
    let told = Inflow {
        schema_version: SCHEMA_VERSION,
        acknowledged: writer.map_or(0, |writer| writer.stored()),
        waiting: writer.map_or(0, |writer| writer.waiting()),
        newest_took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        strangers: service.quarantine().strangers(),
        not_kept: service.quarantine().not_kept(),
    };
    let not_kept = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((User::new(operator.name()), not_kept, Json(told)))
}
