//! Escalation policies over HTTP: `/api/v1/customer/escalation-policies` and the same without `/api/v1`.

use super::policy::{Level, PolicyBody};
use super::refusal::PolicyRefusal;
use super::store::{self, Stored};
use crate::affected::{self, NothingThere};
use crate::caller::Caller;
use crate::delivery::secret_change::STARS;
use crate::foreign_key;
use crate::http::failure::Reply;
use crate::http::{body, path};
use crate::refusal::NotDone;
use crate::service::Service;
use crate::tenants::TenantTx;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll::Error;
use plimsoll_http::{Page, Problem, User};
use serde_json::{Value, json};

type Id = Result<Path<String>, PathRejection>;

/// The only reference that what is written here can break is that to a schedule.
fn refused(error: Error) -> NotDone<PolicyRefusal> {
    foreign_key::refused(error, PolicyRefusal::UnknownSchedule)
}

/// `POST`: 201 with the policy.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let draft = body::json::<PolicyBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| {
            let id = store::create(&tx, &draft).await?;
            store::get(&tx, id).await
        };
        let made = caller.write("create escalation policy", work).await;
        let made = made.map_err(refused)?.ok_or(NothingThere)?;
        Ok((StatusCode::CREATED, Json(policy(&made))).into_response())
    })
    .await
}

/// `GET`: a page of the tenant's policies with their levels.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let page = page?;
        let list =
            caller.ready.cursors.list::<i64>(caller.tenant.as_str(), "escalation policies", "policy_id");
        let (after, wanted) = (page.after(&list)?.unwrap_or_default(), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, after, wanted).await;
        let mut found = caller.read("list escalation policies", read).await?;
        let next = page.next(&list, &mut found, |last| last.id)?;
        let rows: Vec<_> = found.iter().map(policy).collect();
        Ok(Json(json!({ "policies": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one policy with its levels.
pub(crate) async fn get(State(service): State<Service>, headers: HeaderMap, id: Id) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let read = async |tx: TenantTx| store::get(&tx, id).await;
        let found = caller.read("get escalation policy", read).await?.ok_or(NothingThere)?;
        Ok(Json(policy(&found)).into_response())
    })
    .await
}

/// `PUT {id}`: the policy anew; levels of which nothing is said stay, and so does whether it is the default.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let draft = body::json::<PolicyBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| {
            let changed = store::update(&tx, id, &draft).await?;
            Ok((changed, store::get(&tx, id).await?))
        };
        let (changed, made) = caller.write("update escalation policy", work).await.map_err(refused)?;
        affected::any(changed)?;
        Ok(Json(policy(&made.ok_or(NothingThere)?)).into_response())
    })
    .await
}

/// `DELETE {id}`: 204. Alerts that follow it are not escalated any further.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let work = async |tx: TenantTx| store::delete(&tx, id).await;
        affected::any(caller.write("delete escalation policy", work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn policy(one: &Stored) -> Value {
    let levels: Vec<_> = one.levels.iter().map(level).collect();
    json!({
        "policy_id": one.id,
        "name": one.name,
        "description": one.description,
        "is_default": one.is_default,
        "webhook_secret": one.has_secret.then_some(STARS),
        "levels": levels,
        "created_at": one.created_at.to_string(),
        "updated_at": one.updated_at.to_string(),
    })
}

fn level(one: &Level) -> Value {
    json!({
        "level_number": one.number,
        "delay_minutes": one.delay_minutes,
        "notify_email": one.email,
        "notify_webhook": one.webhook,
        "oncall_schedule_id": one.schedule,
    })
}
