//! Alerts over HTTP: `/api/v1/customer/alerts` and the same without `/api/v1`.

use super::alert::AlertStatus;
use super::refusal::AlertRefusal;
use super::store::{self, Stored};
use crate::affected::NothingThere;
use crate::caller::Caller;
use crate::http::failure::{self, Reply};
use crate::http::{body, path};
use crate::instant::StoredInstant;
use crate::service::Service;
use crate::tenants::TenantTx;
use crate::text;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, User};
use serde::Deserialize;
use serde_json::{Value, json};

type Id = Result<Path<String>, PathRejection>;

/// The rows of a page where nothing is said.
const USUAL: u32 = 50;
/// The most rows of a page.
const MOST: u32 = 200;
/// The longest that an alert can be silenced, in minutes.
const LONGEST: i32 = 43_200;

/// Which alerts.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    status: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

impl Wanted {
    fn status(&self) -> Result<AlertStatus, AlertRefusal> {
        let said = self.status.as_deref().unwrap_or(AlertStatus::Open.as_str());
        AlertStatus::parse(said).ok_or(AlertRefusal::UnknownStatus)
    }

    fn limit(&self) -> Result<u32, AlertRefusal> {
        let Some(said) = &self.limit else { return Ok(USUAL) };
        path::whole(said).filter(|limit| (1..=MOST).contains(limit)).ok_or(AlertRefusal::BadLimit)
    }
}

/// `GET ?status=OPEN&limit=50&after=<cursor>`: a page of the tenant's alerts in one state, the newest first.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let refused = |_| failure::bad_request("INVALID_QUERY", "status, limit and after are each said once");
        let Query(wanted) = query.map_err(refused)?;
        let (status, limit) = (wanted.status()?, wanted.limit()?);
        let name = format!("alerts {}", status.as_str());
        let list = caller.ready.cursors.list::<i64>(caller.tenant.as_str(), &name, "id DESC");
        let page = Page::asked(limit, wanted.after);
        let (below, rows) = (page.after(&list)?.unwrap_or(i64::MAX), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, status, below, rows).await;
        let mut found = caller.read("list alerts", read).await?;
        let next = page.next(&list, &mut found, |last| last.id)?;
        let rows: Vec<_> = found.iter().map(alert).collect();
        Ok(Json(json!({ "alerts": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one alert.
pub(crate) async fn get(State(service): State<Service>, headers: HeaderMap, id: Id) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let read = async |tx: TenantTx| store::get(&tx, id).await;
        let found = caller.read("get alert", read).await?.ok_or(NothingThere)?;
        Ok(Json(alert(&found)).into_response())
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeBody {
    acknowledged_by: Option<String>,
}

/// `PATCH {id}/acknowledge`: only from OPEN. The body may say who does; without that it is the tenant.
pub(crate) async fn acknowledge(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let said: AcknowledgeBody =
            if body.is_empty() { AcknowledgeBody::default() } else { body::json(&headers, &body)? };
        let by = said.acknowledged_by.unwrap_or_else(|| caller.name().to_owned());
        let refused = || failure::bad_request("BAD_BODY", "acknowledged_by has 1 to 200 characters");
        let by = text::line(&by, 200).ok_or_else(refused)?;
        let work = async |tx: TenantTx| store::acknowledge(&tx, id, &by).await;
        let done = caller.write("acknowledge alert", work).await?;
        Ok(Json(alert(&done.ok_or(NothingThere)?)).into_response())
    })
    .await
}

/// `PATCH {id}/close`: from OPEN or ACKNOWLEDGED.
pub(crate) async fn close(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let work = async |tx: TenantTx| store::close(&tx, id).await;
        let done = caller.write("close alert", work).await?;
        Ok(Json(alert(&done.ok_or(NothingThere)?)).into_response())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    minutes: i32,
}

/// `PATCH {id}/silence` with `{"minutes": 60}`: it is not escalated for so long. From OPEN or ACKNOWLEDGED.
pub(crate) async fn silence(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let minutes = body::json::<SilenceBody>(&headers, &body)?.minutes;
        if !(1..=LONGEST).contains(&minutes) {
            return Err(AlertRefusal::BadMinutes.into());
        }
        let work = async |tx: TenantTx| store::silence(&tx, id, minutes).await;
        let done = caller.write("silence alert", work).await?;
        Ok(Json(alert(&done.ok_or(NothingThere)?)).into_response())
    })
    .await
}

/// The column is `id`; who reads answers knows it as `alert_id`.
pub(crate) fn alert(one: &Stored) -> Value {
    let text = |time: &Option<StoredInstant>| time.map(|time| time.to_string());
    let details: Option<Value> = serde_json::from_str(&one.details).ok();
    json!({
        "alert_id": one.id,
        "site_id": one.site,
        "device_id": one.device,
        "alert_type": one.kind,
        "rule_id": one.rule,
        "fingerprint": one.fingerprint,
        "status": one.status,
        "severity": one.severity.number(),
        "severity_name": one.severity.as_str(),
        "summary": one.summary,
        "details": details,
        "created_at": one.created_at.to_string(),
        "closed_at": text(&one.closed_at),
        "silenced_until": text(&one.silenced_until),
        "acknowledged_by": one.acknowledged_by,
        "acknowledged_at": text(&one.acknowledged_at),
        "escalation_level": one.escalation_level,
        "escalated_at": text(&one.escalated_at),
        "next_escalation_at": text(&one.next_escalation_at),
        "trigger_count": one.trigger_count,
        "last_triggered_at": one.last_triggered_at.to_string(),
    })
}
