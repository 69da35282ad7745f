//! Pages of what is all tenants'.

use crate::alerts::alert::{AlertStatus, AlertType};
use crate::audit::store as audit;
use crate::devices::DeviceStatus;
use crate::http::failure::Reply;
use crate::operator::caller::OperatorCaller;
use crate::operator::filter::{Filter, invalid};
use crate::operator::lists::{self, Listed};
use crate::operator::transaction::audited;
use crate::operator::{OperatorRefusal, OperatorTx};
use crate::service::Service;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll::Result;
use plimsoll_http::{Page, Problem, User};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;

pub(super) type Asked = std::result::Result<Query<Vec<(String, String)>>, QueryRejection>;
pub(super) type Paged = std::result::Result<Page, Problem>;

/// A list, as its cursors and its record name it.
pub(super) struct Listing {
    /// What is listed.
    pub(super) name: &'static str,
    /// By which key.
    pub(super) order: &'static str,
    /// The action in the record.
    pub(super) action: &'static str,
}

/// The filters of a query.
pub(super) fn filter(query: Asked, known: &[&'static str]) -> std::result::Result<Filter, OperatorRefusal> {
    let Query(query) = query.map_err(|_| invalid("the query cannot be read"))?;
    Filter::of(query, known)
}

/// A page of a list, read on record by what asks for the rows behind a place.
pub(super) async fn page_of<K, F, Fut>(
    caller: &OperatorCaller<'_>,
    page: Paged,
    filter: &Filter,
    listing: Listing,
    read: F,
) -> Reply
where
    K: Serialize + DeserializeOwned + Clone + Send + Sync,
    F: Fn(OperatorTx, Option<K>, i64) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Vec<Listed<K>>>> + Send,
{
    let Listing { name, order, action } = listing;
    let page = page?;
    let list = caller.ready.cursors.list::<K>("operators", name, order);
    let list = list.filtered_by("filter", &filter.json().to_string());
    let (after, wanted) = (page.after(&list)?, page.rows_to_ask());
    let access = caller.access(action, name).of_tenant(filter.get("tenant_id"));
    let access = access.details(json!({ "filter": filter.json() }));
    let read = &read;
    let work = |tx: OperatorTx| {
        let asked = read(tx, after.clone(), wanted);
        async move { asked.await.map(Ok::<_, OperatorRefusal>) }
    };
    let mut rows = audited(caller.ready.pools.ui.named(action), &access, work).await?;
    let next = page.next(&list, &mut rows, |last: &Listed<K>| last.key.clone())?;
    let items: Vec<Value> = rows.into_iter().map(|row| row.json).collect();
    Ok(Json(json!({ "items": items, "next": next })).into_response())
}

/// `GET /operator/devices`.
pub(super) async fn devices(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["tenant_id", "status", "search"])?;
        filter.word("status", &DeviceStatus::ALL.map(DeviceStatus::as_str))?;
        let listing = Listing { name: "devices", order: "tenant_id, device_id", action: "devices.list" };
        let read = async |tx: OperatorTx, after: Option<(String, String)>, limit: i64| {
            lists::devices(&tx, &filter, &after.unwrap_or_default(), limit).await
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}

/// `GET /operator/alerts`.
pub(super) async fn alerts(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["tenant_id", "status", "alert_type"])?;
        filter.word("status", &AlertStatus::ALL.map(AlertStatus::as_str))?;
        filter.word("alert_type", &AlertType::ALL.map(AlertType::as_str))?;
        let listing = Listing { name: "alerts", order: "id DESC", action: "alerts.list" };
        let read = async |tx: OperatorTx, before: Option<i64>, limit: i64| {
            lists::alerts(&tx, &filter, before.unwrap_or(i64::MAX), limit).await
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}

/// `GET /operator/quarantine`.
pub(super) async fn quarantine(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["tenant_id", "reason", "device_id"])?;
        let listing = Listing { name: "quarantine", order: "event_id DESC", action: "quarantine.list" };
        let read = async |tx: OperatorTx, before: Option<i64>, limit: i64| {
            lists::quarantine(&tx, &filter, before.unwrap_or(i64::MAX), limit).await
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}

/// `GET /operator/audit-log`. To look at the record is recorded too.
pub(super) async fn audit_log(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Paged,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = OperatorCaller::of(&service, &headers)?;
    let reply = async {
        let filter = filter(query, &["tenant_id", "actor_id", "action"])?;
        let said = |name| filter.get(name).map(str::to_owned);
        let wanted =
            audit::Filter { tenant: said("tenant_id"), actor: said("actor_id"), action: said("action") };
        let listing = Listing { name: "audit log", order: "audit_id DESC", action: "audit-log.list" };
        let read = async |tx: OperatorTx, before: Option<i64>, limit: i64| {
            let rows = audit::of_all(&tx, &wanted, before.unwrap_or(i64::MAX), limit).await?;
            Ok(rows.iter().map(|row| Listed { key: row.id, json: row.for_operators().clone() }).collect())
        };
        page_of(&caller, page, &filter, listing, read).await
    };
    Ok((caller.user(), reply.await))
}
