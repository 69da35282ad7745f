//! Integrations over HTTP: `/api/v1/customer/integrations` and the same without `/api/v1`.

use super::integration::{IntegrationBody, STARS};
use super::integration_store::{self as store, StoredIntegration};
use super::refusal::IntegrationRefusal;
use super::route::Uuid;
use crate::affected::{self, NothingThere};
use crate::caller::Caller;
use crate::http::failure::Reply;
use crate::http::{body, path};
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, Problem, User};
use serde_json::{Value, json};

type Id = Result<Path<String>, PathRejection>;

/// Before all others.
const FIRST: &str = "00000000-0000-0000-0000-000000000000";

fn id(path: Id) -> Reply<Uuid> {
    Uuid::parse(&path::parts(path)?).ok_or(IntegrationRefusal::BadId.into())
}

/// `POST`: 201 with the integration, without its secret.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let draft = body::json::<IntegrationBody>(&headers, &body)?.checked(ready.sender.networks())?;
        let work = async |tx: TenantTx| store::create(&tx, &draft).await;
        let call = ready.pools.ui.named("create integration").resolvable();
        let made = transaction::retrying(call, tenant, work).await?;
        Ok((StatusCode::CREATED, Json(integration(&made))).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `GET`: a page of the tenant's integrations.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let page = page?;
        let list = ready.cursors.list::<String>(tenant.as_str(), "integrations", "integration_id");
        let after = page.after(&list)?.unwrap_or_else(|| FIRST.to_owned());
        let (after, wanted) = (Uuid::parse(&after).ok_or(IntegrationRefusal::BadId)?, page.rows_to_ask());
        let call = ready.pools.ui.named("list integrations").read_only();
        let read = async |tx: TenantTx| store::page(&tx, &after, wanted).await;
        let mut found = transaction::retrying(call, tenant, read).await?;
        let next = page.next(&list, &mut found, |last| last.id.clone())?;
        let rows: Vec<_> = found.iter().map(integration).collect();
        Ok(Json(json!({ "integrations": rows, "next": next })).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `GET {id}`: one integration.
pub(crate) async fn get(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let id = id(path)?;
        let call = ready.pools.ui.named("get integration").read_only();
        let read = async |tx: TenantTx| store::get(&tx, &id).await;
        let found = transaction::retrying(call, tenant, read).await?.ok_or(NothingThere)?;
        Ok(Json(integration(&found)).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `PUT {id}`: the integration anew. A secret that is not said stays.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let id = id(path)?;
        let draft = body::json::<IntegrationBody>(&headers, &body)?.checked(ready.sender.networks())?;
        let work = async |tx: TenantTx| store::update(&tx, &id, &draft).await;
        let call = ready.pools.ui.named("update integration").resolvable();
        let made = transaction::retrying(call, tenant, work).await?.ok_or(NothingThere)?;
        Ok(Json(integration(&made)).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// `DELETE {id}`: 204. Its routes go with it, and its messages that were not sent end dead.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let (ready, tenant) = (caller.ready, &caller.tenant);
    let reply = async {
        let id = id(path)?;
        let work = async |tx: TenantTx| store::delete(&tx, &id).await;
        let call = ready.pools.ui.named("delete integration").resolvable();
        affected::any(transaction::retrying(call, tenant, work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    Ok((caller.user(), reply.await))
}

fn integration(one: &StoredIntegration) -> Value {
    let mut config: Value = serde_json::from_str(&one.config).unwrap_or_default();
    if let Some(fields) = config.as_object_mut().filter(|_| one.has_secret) {
        fields.insert("secret".to_owned(), STARS.into());
    }
    json!({
        "integration_id": one.id,
        "name": one.name,
        "type": one.kind,
        "enabled": one.enabled,
        "config": config,
        "created_at": one.created_at.to_string(),
        "updated_at": one.updated_at.to_string(),
    })
}
