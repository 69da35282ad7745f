//! The sites of a tenant, each with what was counted there last night: `GET /customer/sites`, with and without `/api/v1`.

use crate::caller::Caller;
use crate::http::failure::Reply;
use crate::instant::StoredInstant;
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use plimsoll_http::{Databases, NeedsDatabase, Page, Problem, User};
use serde_json::{Value, json};

/// A site that was made since last night has no counts yet.
const PAGE: &str = "
    SELECT site.site_id, site.name, site.location, night.devices, night.active_devices, night.open_alerts,
           night.readings_yesterday, night.as_of
    FROM public.sites AS site LEFT JOIN public.own_site_overview AS night USING (tenant_id, site_id)
    WHERE site.tenant_id = $1 AND site.site_id > $2 ORDER BY site.site_id LIMIT $3";

pub(crate) fn routes(databases: &Databases) -> Router<Service> {
    let list = || get(page).route_layer(NeedsDatabase::named(databases, "ui"));
    Router::new().route("/api/v1/customer/sites", list()).route("/customer/sites", list())
}

async fn page(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), listed(&caller, page).await))
}

async fn listed(caller: &Caller<'_>, page: Result<Page, Problem>) -> Reply {
    let page = page?;
    let list = caller.ready.cursors.list::<String>(caller.tenant.as_str(), "sites", "site_id");
    let after = page.after(&list)?.unwrap_or_default();
    let wanted = page.rows_to_ask();
    let call = caller.ready.pools.ui.named("list sites").read_only();
    let read = async |tx: TenantTx| tx.query(PAGE, &[&tx.tenant(), &after, &wanted]).await;
    let rows = transaction::retrying(call, &caller.tenant, read).await?;
    let mut rows: Vec<(String, Value)> = rows.iter().map(of_row).collect::<Result<_>>()?;
    let next = page.next(&list, &mut rows, |last| last.0.clone())?;
    let rows: Vec<Value> = rows.into_iter().map(|(_, json)| json).collect();
    Ok(Json(json!({ "sites": rows, "next": next })).into_response())
}

fn of_row(row: &Row) -> Result<(String, Value)> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let count = |place: usize| row.try_get::<_, Option<i64>>(place);
    let id: String = row.try_get(0)?;
    let json = json!({
        "site_id": id,
        "name": text(1)?,
        "location": text(2)?,
        "devices": count(3)?,
        "active_devices": count(4)?,
        "open_alerts": count(5)?,
        "readings_yesterday": count(6)?,
        "as_of": row.try_get::<_, Option<StoredInstant>>(7)?.map(|time| time.to_string()),
    });
    Ok((id, json))
}
