//! Rules over HTTP: `/api/v1/customer/alert-rules` and the same without `/api/v1`.

use super::refusal::RuleRefusal;
use super::rule::RuleBody;
use super::store::{self, StoredRule};
use crate::affected::{self, NothingThere};
use crate::caller::Caller;
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

/// The only reference that what is written here can break is that to a policy.
fn refused(error: Error) -> NotDone<RuleRefusal> {
    foreign_key::refused(error, RuleRefusal::UnknownPolicy)
}

/// `POST`: 201 with the rule.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let draft = body::json::<RuleBody>(&headers, &body)?.checked()?;
        let work = async |tx: TenantTx| store::create(&tx, &draft).await;
        let made = caller.write("create alert rule", work).await.map_err(refused)??;
        Ok((StatusCode::CREATED, Json(rule(&made))).into_response())
    })
    .await
}

/// `GET`: a page of the tenant's rules.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let page = page?;
        let list = caller.ready.cursors.list::<i64>(caller.tenant.as_str(), "alert rules", "rule_id");
        let (after, wanted) = (page.after(&list)?.unwrap_or_default(), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, after, wanted).await;
        let mut found = caller.read("list alert rules", read).await?;
        let next = page.next(&list, &mut found, |last| last.id)?;
        let rows: Vec<_> = found.iter().map(rule).collect();
        Ok(Json(json!({ "rules": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one rule.
pub(crate) async fn get(State(service): State<Service>, headers: HeaderMap, id: Id) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let read = async |tx: TenantTx| store::get(&tx, id).await;
        let found = caller.read("get alert rule", read).await?.ok_or(NothingThere)?;
        Ok(Json(rule(&found)).into_response())
    })
    .await
}

/// `PUT {id}`: the rule anew; what is not said has its default again. If it looks at something else from now on, its open alerts
/// are closed.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let draft = body::json::<RuleBody>(&headers, &body)?.checked()?;
        let work = async |tx: TenantTx| store::update(&tx, id, &draft).await;
        let made = caller.write("update alert rule", work).await.map_err(refused)?.ok_or(NothingThere)?;
        Ok(Json(rule(&made)).into_response())
    })
    .await
}

/// `DELETE {id}`: 204. Its open alerts are closed.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    id: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = path::number(&path::parts(id)?)?;
        let work = async |tx: TenantTx| store::delete(&tx, id).await;
        affected::any(caller.write("delete alert rule", work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn rule(one: &StoredRule) -> Value {
    json!({
        "rule_id": one.id,
        "name": one.name,
        "kind": one.kind,
        "metric_name": one.metric,
        "operator": one.operator,
        "threshold": one.threshold,
        "duration_seconds": one.duration,
        "severity": one.severity,
        "site_ids": one.sites,
        "enabled": one.enabled,
        "escalation_policy_id": one.policy,
        "created_at": one.created_at.to_string(),
        "updated_at": one.updated_at.to_string(),
    })
}
