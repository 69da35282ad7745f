//! Messages over HTTP: `/api/v1/customer/deliveries` and the same without `/api/v1`.

use super::log::{self, Attempt, Delivery, Filter};
use super::refusal::DeliveryRefusal;
use crate::caller::Caller;
use crate::http::failure::{self, Reply};
use crate::instant::StoredInstant;
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll_http::User;
use serde::Deserialize;
use serde_json::{Value, json};

/// The rows of a page where nothing is said.
const USUAL: i64 = 50;
/// The most rows of a page.
const MOST: i64 = 200;

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
        let alert =
            self.alert.as_deref().map(|said| number(said).ok_or(DeliveryRefusal::BadAlert)).transpose()?;
        Ok(Filter { status, alert })
    }

    fn limit(&self) -> Result<i64, DeliveryRefusal> {
        let Some(said) = &self.limit else { return Ok(USUAL) };
        number(said).filter(|limit| *limit <= MOST).ok_or(DeliveryRefusal::BadLimit)
    }
}

/// Digits, from 1 on.
fn number(said: &str) -> Option<i64> {
    let is_number = said.bytes().all(|byte| byte.is_ascii_digit());
    said.parse().ok().filter(|number| is_number && *number >= 1)
}

/// `GET ?status=DEAD&alert=7&limit=50&after=<cursor>`: a page of the tenant's messages with their tries, the newest first.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let refused =
            |_| failure::bad_request("INVALID_QUERY", "status, alert, limit and after are each said once");
        let Query(wanted) = query.map_err(refused)?;
        let (filter, limit) = (wanted.filter()?, wanted.limit()?);
        let name = format!("deliveries {:?} {:?}", filter.status, filter.alert);
        let list = ready.cursors.list::<i64>(tenant.as_str(), &name, "job_id DESC");
        let below = wanted.after.as_deref().map(|cursor| list.read(cursor)).transpose()?.unwrap_or(i64::MAX);
        let call = ready.pools.ui.named("list deliveries").read_only();
        // One more tells whether there is another page.
        let read = async |tx: TenantTx| log::page(&tx, &filter, below, limit + 1).await;
        let mut found = transaction::retrying(call, tenant, read).await?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_more = found.len() > most;
        found.truncate(most);
        let next = found.last().filter(|_| is_more).map(|last| list.cursor(&last.id)).transpose()?;
        let rows: Vec<_> = found.iter().map(delivery).collect();
        Ok(Json(json!({ "deliveries": rows, "next": next })).into_response())
    };
    Ok((caller.user(), reply.await))
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
