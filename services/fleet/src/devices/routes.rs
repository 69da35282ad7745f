//! The tenant's list of devices over HTTP.

use super::store::{self, Listed};
use crate::http::bearer::bearer;
use crate::http::failure::Reply;
use crate::service::{Ready, Service};
use crate::tenants::{TenantId, TenantTx, access, transaction};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, Problem, User};
use serde_json::json;

/// `GET /api/v1/customer/devices?limit=100&after=<cursor>`: the tenant's devices in the order of their ids, and the
/// cursor of the next page while there is one.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    let token = bearer(&headers)?;
    let ready = service.ready()?;
    let tenant = access::tenant_of(&ready.pools.ui, token).await?;
    Ok((User::new(tenant.as_str()), devices(ready, &tenant, page).await))
}

async fn devices(ready: &Ready, tenant: &TenantId, page: Result<Page, Problem>) -> Reply {
    let page = page?;
    let list = ready.cursors.list::<String>(tenant.as_str(), "devices", "device_id");
    // Every id comes behind the empty text.
    let after = page.after(&list)?.unwrap_or_default();
    let wanted = page.rows_to_ask();
    let call = ready.pools.ui.named("list devices").read_only();
    let read = async |tx: TenantTx| store::page(&tx, &after, wanted).await;
    let mut devices = transaction::retrying(call, tenant, read).await?;
    let next = page.next(&list, &mut devices, |last: &Listed| last.device_id.clone())?;
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
