//! The tenant's list of devices over HTTP.

use super::store;
use crate::http::bearer::bearer;
use crate::http::problem::{Problem, Reply};
use crate::service::Service;
use crate::tenants::cursor::{self, BadCursor};
use crate::tenants::{TenantTx, access, transaction};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use serde::Deserialize;
use serde_json::json;

const LIST: &str = "devices";

/// How much of the list, and from where.
#[derive(Deserialize)]
pub(crate) struct Page {
    limit: Option<u32>,
    after: Option<String>,
}

/// `GET /api/v1/customer/devices?limit=100&after=<cursor>`: the tenant's devices in the order of their ids, and the
/// cursor of the next page while there is one.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    // Who shows nothing is told so at any time, also while the database is awaited.
    let token = bearer(&headers)?;
    let ready = service.ready()?;
    let db = &ready.pools.ui;
    let tenant = access::tenant_of(db, token).await?;
    let limit_refused = || Problem::bad_request("BAD_LIMIT", "limit is a whole number from 1 to 1000");
    let Query(page) = page.map_err(|_| limit_refused())?;
    let limit = page.limit.unwrap_or(cursor::LIMIT);
    if !cursor::LIMITS.contains(&limit) {
        return Err(limit_refused());
    }
    let after = match &page.after {
        None => String::new(),
        Some(cursor) => ready.cursors.read(&tenant, LIST, cursor).map_err(|BadCursor| {
            Problem::bad_request("BAD_CURSOR", "after is no cursor of this list: begin again without it")
        })?,
    };
    // One more than was asked for tells whether there is a next page.
    let wanted = i64::from(limit) + 1;
    let call = db.named("list devices").read_only();
    let read = async |tx: TenantTx| store::page(&tx, &after, wanted).await;
    let mut devices = transaction::retrying(call, &tenant, read).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = devices.len() > shown;
    devices.truncate(shown);
    let last = devices.last().filter(|_| is_more);
    let next = last.map(|last| ready.cursors.cursor(&tenant, LIST, &last.device_id));
    let rows: Vec<_> = devices
        .iter()
        .map(|device| {
            json!({
                "device_id": device.device_id,
                "site_id": device.site_id,
                "status": device.status,
                "created_at": device.created_at.to_string(),
            })
        })
        .collect();
    Ok(Json(json!({ "devices": rows, "next": next })).into_response())
}
