//! The tokens of a device.

use crate::caller::Caller;
use crate::devices::DeviceId;
use crate::devices::tokens::{self, Token};
use crate::http::failure::Reply;
use crate::service::Service;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::User;
use serde_json::{Value, json};

/// `GET /customer/devices/{id}/tokens`: what it was given, without the secrets.
pub(super) async fn list(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), listed(&caller, super::one(path)).await))
}

async fn listed(caller: &Caller<'_>, device: Reply<DeviceId>) -> Reply {
    let tokens = tokens::list(&caller.ready.pools.ui, &caller.tenant, &device?).await?;
    let rows: Vec<Value> = tokens.iter().map(of_token).collect();
    Ok(Json(json!({ "tokens": rows })).into_response())
}

fn of_token(token: &Token) -> Value {
    json!({
        "token_id": token.token_id,
        "client_id": token.client_id,
        "label": token.label,
        "created_at": token.created_at.to_string(),
        "revoked_at": token.revoked_at.map(|time| time.to_string()),
    })
}

/// `POST /customer/devices/{id}/tokens/rotate`: 201 with the new token, which is told this once.
pub(super) async fn rotate(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), rotated(&caller, super::one(path)).await))
}

async fn rotated(caller: &Caller<'_>, device: Reply<DeviceId>) -> Reply {
    let device = device?;
    let new = tokens::rotate(&caller.ready.pools.ui, &caller.tenant, &device, "rotate").await?;
    let told = json!({
        "device_id": device.as_str(),
        "token_id": new.token_id,
        "client_id": new.client_id,
        "provision_token": new.token,
    });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// `DELETE /customer/devices/{id}/tokens/{token}`.
pub(super) async fn revoke(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), revoked(&caller, super::two(path)).await))
}

async fn revoked(caller: &Caller<'_>, named: Reply<(DeviceId, String)>) -> Reply {
    let (device, token) = named?;
    tokens::revoke(&caller.ready.pools.ui, &caller.tenant, &device, &token).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
