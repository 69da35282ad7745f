//! `POST /ingest/v1/tenant/{t}/device/{d}/telemetry`: a device's reading over HTTP.
//!
//! The body is in memory already, and not longer than a message. From there the order is from cheap to dear: the form of the
//! ids, the token's presence, what the headers say of the body, the message; only then is the database asked who the device
//! is, and only after all that is anything written. 202 means that the transaction which holds the reading has committed.

use super::message;
use super::reading::{self, Reading};
use super::store::Fate;
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::devices::admit::admit;
use crate::http::failure::{self, Reply};
use crate::http::media;
use crate::refusal::Proof;
use crate::service::{Ready, Service};
use crate::tenants::TenantId;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Problem, User};
use serde_json::json;

const TOKEN: &str = "x-provision-token";

/// Takes a reading.
pub(crate) async fn telemetry(
    State(service): State<Service>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let (tenant, device) = ids(path)?;
    let shown = token(&headers)?;
    media::check(&headers)?;
    let now = reading::time_of_arrival();
    let message = message::parse(&body, now)?;
    let ready = service.ready()?;
    let (db, said, may_register) = (&ready.pools.ingest, message.site.as_ref(), service.auto_provision());
    let site = admit(db, &tenant, &device, &shown, said, may_register).await?;
    let reading = Reading::of(message, device, site, now)?;
    Ok((User::new(tenant.as_str()), store(ready, tenant, reading).await))
}

async fn store(ready: &Ready, tenant: TenantId, reading: Reading) -> Reply {
    let mut told = json!({ "status": "accepted", "device_id": reading.device.as_str(), "seq": reading.seq });
    let is_duplicate = ready.writer.store(tenant, reading).await? == Fate::Duplicate;
    if let (true, Some(told)) = (is_duplicate, told.as_object_mut()) {
        told.insert("duplicate".to_owned(), true.into());
    }
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

fn ids(path: Result<Path<(String, String)>, PathRejection>) -> Result<(TenantId, DeviceId), Problem> {
    let refused = |code, title: &'static str| move || failure::bad_request(code, title);
    let Path((tenant, device)) = path.map_err(|_| refused("INVALID_PATH", "the path is not UTF-8")())?;
    let tenant = TenantId::parse(&tenant)
        .ok_or_else(refused("INVALID_TENANT_ID", "a tenant's id has up to 64 letters, digits, _ and -"))?;
    let device = DeviceId::parse(&device).ok_or_else(refused(
        "INVALID_DEVICE_ID",
        "a device's id has up to 128 letters, digits, . _ : and -",
    ))?;
    Ok((tenant, device))
}

fn token(headers: &HeaderMap) -> Result<TokenHash, Problem> {
    let shown = headers.get(TOKEN).map(|value| value.to_str().unwrap_or_default());
    let token = shown.filter(|token| !token.is_empty());
    token.map(TokenHash::of).ok_or_else(|| failure::token_missing(Proof::ProvisionToken))
}
