//! Integrations over HTTP: `/api/v1/customer/integrations` and the same without `/api/v1`.

use super::integration::IntegrationBody;
use super::integration_store::{self as store, StoredIntegration};
use super::refusal::IntegrationRefusal;
use super::route::Uuid;
use crate::affected::{self, NothingThere};
use crate::caller::Caller;
use crate::delivery::secret_change::STARS;
use crate::http::failure::Reply;
use crate::http::{body, path};
use crate::service::Service;
use crate::tenants::TenantTx;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, Problem, User};
use serde_json::{Value, json};

type Id = Result<Path<String>, PathRejection>;

fn id(path: Id) -> Reply<Uuid> {
    Uuid::parse(&path::parts(path)?).ok_or(IntegrationRefusal::BadId.into())
}

/// `POST`: 201 with the integration, without its secret.
pub(crate) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let draft =
            body::json::<IntegrationBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| store::create(&tx, &draft).await;
        let made = caller.write("create integration", work).await?;
        Ok((StatusCode::CREATED, Json(integration(&made))).into_response())
    })
    .await
}

/// `GET`: a page of the tenant's integrations.
pub(crate) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let page = page?;
        let list =
            caller.ready.cursors.list::<String>(caller.tenant.as_str(), "integrations", "integration_id");
        let after =
            page.after(&list)?.map(|id| Uuid::parse(&id).ok_or(IntegrationRefusal::BadId)).transpose()?;
        let (after, wanted) = (after.unwrap_or_else(Uuid::least), page.rows_to_ask());
        let read = async |tx: TenantTx| store::page(&tx, &after, wanted).await;
        let mut found = caller.read("list integrations", read).await?;
        let next = page.next(&list, &mut found, |last| last.id.clone())?;
        let rows: Vec<_> = found.iter().map(integration).collect();
        Ok(Json(json!({ "integrations": rows, "next": next })).into_response())
    })
    .await
}

/// `GET {id}`: one integration.
pub(crate) async fn get(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let read = async |tx: TenantTx| store::get(&tx, &id).await;
        let found = caller.read("get integration", read).await?.ok_or(NothingThere)?;
        Ok(Json(integration(&found)).into_response())
    })
    .await
}

/// `PUT {id}`: the integration anew. A secret that is not said stays.
pub(crate) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
    body: Bytes,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let draft =
            body::json::<IntegrationBody>(&headers, &body)?.checked(caller.ready.sender.networks())?;
        let work = async |tx: TenantTx| store::update(&tx, &id, &draft).await;
        let made = caller.write("update integration", work).await?.ok_or(NothingThere)?;
        Ok(Json(integration(&made)).into_response())
    })
    .await
}

/// `DELETE {id}`: 204. Its routes go with it, and its messages that were not sent end dead.
pub(crate) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Id,
) -> Reply<(User, Reply)> {
    Caller::answers(&service, &headers, async |caller| {
        let id = id(path)?;
        let work = async |tx: TenantTx| store::delete(&tx, &id).await;
        affected::any(caller.write("delete integration", work).await?)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
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
