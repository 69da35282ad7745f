//! `GET /customer/audit-log?limit&after`: what was done to what is the tenant's, the newest first; with and without `/api/v1`.

use super::store::{self, Entry};
use crate::caller::Caller;
use crate::http::failure::Reply;
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use plimsoll_http::{Databases, NeedsDatabase, Page, Problem, User};
use serde_json::{Value, json};

/// The paths.
pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let needs = || NeedsDatabase::named(databases, "ui");
    let list = || get(list).route_layer(needs());
    Router::new().route("/api/v1/customer/audit-log", list()).route("/customer/audit-log", list())
}

async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let page = page?;
        let list = caller.ready.cursors.list::<i64>(caller.tenant.as_str(), "audit log", "audit_id DESC");
        let (before, wanted) = (page.after(&list)?.unwrap_or(i64::MAX), page.rows_to_ask());
        let call = caller.ready.pools.ui.named("list audit log").read_only();
        let read = async |tx: TenantTx| store::of_tenant(&tx, before, wanted).await;
        let mut found = transaction::retrying(call, &caller.tenant, read).await?;
        let next = page.next(&list, &mut found, |last: &Entry| last.id)?;
        let items: Vec<Value> = found.iter().map(Entry::for_its_tenant).collect();
        Ok(Json(json!({ "items": items, "next": next })).into_response())
    };
    Ok((caller.user(), reply.await))
}
