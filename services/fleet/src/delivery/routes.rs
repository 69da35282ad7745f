//! Messages over HTTP: `/api/v1/customer/deliveries` and the same without `/api/v1`.

use super::log::{self, Attempt, Delivery, Filter};
use super::refusal::DeliveryRefusal;
use crate::caller::Caller;
use crate::http::failure::{self, Reply};
use crate::http::path;
use crate::instant::StoredInstant;
use crate::service::Service;
use crate::tenants::TenantTx;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, User};
use serde::Deserialize;
use serde_json::{Value, json};

/// The rows of a page where nothing is said.
const USUAL: u32 = 50;
/// The most rows of a page.
const MOST: u32 = 200;

/// Which messages.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    status: Option<String>,
    alert: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, DeliveryRefusal> {
        let status = self.status.clone();
        if status.as_deref().is_some_and(|status| !log::STATES.contains(&status)) {
            return Err(DeliveryRefusal::UnknownStatus);
        }
        let of_alert = |said| path::whole(said).filter(|id| *id >= 1).ok_or(DeliveryRefusal::BadAlert);
        let alert = self.alert.as_deref().map(of_alert).transpose()?;
        Ok(Filter { status, alert })
    }

    fn limit(&self) -> Result<u32, DeliveryRefusal> {
        let Some(said) = &self.limit else { return Ok(USUAL) };
        path::whole(said).filter(|limit| (1..=MOST).contains(limit)).ok_or(DeliveryRefusal::BadLimit)
    }
}

/// `GET ?status=DEAD&alert=7&limit=50&after=<cursor>`: a page of the tenant's messages with their tries, the newest first.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let refused =
            |_| failure::bad_request("INVALID_QUERY", "status, alert, limit and after are each said once");
        let Query(wanted) = query.map_err(refused)?;
        let (filter, limit) = (wanted.filter()?, wanted.limit()?);
        let name = format!("deliveries {:?} {:?}", filter.status, filter.alert);
        let list = caller.ready.cursors.list::<i64>(caller.tenant.as_str(), &name, "job_id DESC");
        let page = Page::asked(limit, wanted.after);
        let (below, rows) = (page.after(&list)?.unwrap_or(i64::MAX), page.rows_to_ask());
        let read = async |tx: TenantTx| log::page(&tx, &filter, below, rows).await;
        let mut found = caller.read("list deliveries", read).await?;
        let next = page.next(&list, &mut found, |last| last.id)?;
        let rows: Vec<_> = found.iter().map(delivery).collect();
        Ok(Json(json!({ "deliveries": rows, "next": next })).into_response())
    })
    .await
}

fn text(time: Option<StoredInstant>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn delivery(one: &Delivery) -> Value {
    let log: Vec<_> = one.log.iter().map(attempt).collect();
    let next = Some(one.next_run_at).filter(|_| one.status == "PENDING");
    json!({
        "delivery_id": one.id,
        "idempotency_key": one.key,
        "alert_id": one.alert,
        "event": one.event,
        "route_id": one.route,
        "integration_id": one.integration,
        "channel": one.channel,
        "status": one.status,
        "attempts": one.attempts,
        "next_attempt_at": text(next),
        "last_error": one.last_error,
        "created_at": one.created_at.to_string(),
        "finished_at": text(one.finished_at),
        "log": log,
    })
}

fn attempt(one: &Attempt) -> Value {
    json!({
        "attempt": one.number,
        "started_at": one.started_at.to_string(),
        "finished_at": text(one.finished_at),
        "outcome": one.outcome,
        "status_code": one.status_code,
        "error": one.error,
    })
}
