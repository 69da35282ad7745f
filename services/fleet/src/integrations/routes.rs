//! Routes over HTTP: `/api/v1/customer/integration-routes` and the same without `/api/v1`.

use super::refusal::RouteRefusal;
use super::route::{RouteBody, Uuid};
use super::store::{self, Stored};
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

fn id(path: Id) -> Reply<Uuid> {
    Uuid::parse(&path::parts(path)?).ok_or(RouteRefusal::BadId.into())
}

/// The only reference that what is written here can break is that to an integration.
fn refused(error: Error) -> NotDone<RouteRefusal> {
    foreign_key::refused(error, RouteRefusal::UnknownIntegration)
}

/// `POST`: 201 with the route.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let draft = body::json::<RouteBody>(&headers, &body)?.checked()?;
        let work = async |tx: TenantTx| store::create(&tx, &draft).await;
        let made = caller.write("create integration route", work).await.map_err(refused)?;
        Ok((StatusCode::CREATED, Json(route(&made))).into_response())
    })
    .await
}

/// `GET`: a page of the tenant's routes.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let page = page?;
        let list =
            caller.ready.cursors.list::<String>(caller.tenant.as_str(), "integration routes", "route_id");
        let after = page.after(&list)?.map(|id| Uuid::parse(&id).ok_or(RouteRefusal::BadId)).transpose()?;
        let (after, wanted) = (after.unwrap_or_else(Uuid::least), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, &after, wanted).await;
        let mut found = caller.read("list integration routes", read).await?;
        let next = page.next(&list, &mut found, |last| last.id.clone())?;
        let rows: Vec<_> = found.iter().map(route).collect();
        Ok(Json(json!({ "routes": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one route.
pub(crate) async fn get(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let read = async |tx: TenantTx| store::get(&tx, &id).await;
        let found = caller.read("get integration route", read).await?.ok_or(NothingThere)?;
        Ok(Json(route(&found)).into_response())
    })
    .await
}

/// `PUT {id}`: the route anew; what is not said has its default again.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let draft = body::json::<RouteBody>(&headers, &body)?.checked()?;
        let work = async |tx: TenantTx| store::update(&tx, &id, &draft).await;
        let made =
            caller.write("update integration route", work).await.map_err(refused)?.ok_or(NothingThere)?;
        Ok(Json(route(&made)).into_response())
    })
    .await
}

/// `DELETE {id}`: 204.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let work = async |tx: TenantTx| store::delete(&tx, &id).await;
        affected::any(caller.write("delete integration route", work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}

fn route(one: &Stored) -> Value {
    json!({
        "route_id": one.id,
        "integration_id": one.integration,
        "name": one.name,
        "enabled": one.enabled,
        "severities": one.severities,
        "alert_types": one.alert_types,
        "site_ids": one.site_ids,
        "device_prefixes": one.device_prefixes,
        "deliver_on": one.deliver_on,
        "priority": one.priority,
        "created_at": one.created_at.to_string(),
        "updated_at": one.updated_at.to_string(),
    })
}
