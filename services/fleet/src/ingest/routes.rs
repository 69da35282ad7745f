//! `POST /ingest/v1/tenant/{t}/device/{d}/telemetry`: a device's reading over HTTP.
//!
//! The order is from cheap to dear: the form of the ids, the token's presence, what the headers say of the body, the
//! size, the message; only then is the database asked who the device is, and only after all that is anything written.
//! 202 means that the transaction which holds the reading has committed.

use super::message;
use super::reading::{self, Reading};
use super::refusal::MessageRefusal;
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::devices::admit::admit;
use crate::http::media;
use crate::http::problem::{Problem, Reply};
use crate::refusal::Proof;
use crate::service::Service;
use crate::tenants::TenantId;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use serde_json::json;

const TOKEN: &str = "x-provision-token";

/// Takes a reading.
pub(crate) async fn telemetry(
    State(service): State<Service>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let (tenant, device) = ids(path)?;
    let shown = token(&headers)?;
    media::check(&headers)?;
    let body = to_bytes(body, message::LARGEST).await.map_err(|error| unread(&error))?;
    let now = reading::time_of_arrival();
    let message = message::parse(&body, now)?;
    let ready = service.ready()?;
    let (db, said, may_register) = (&ready.pools.ingest, message.site.as_ref(), service.auto_provision());
    let site = admit(db, &tenant, &device, &shown, said, may_register).await?;
    let reading = Reading::of(message, device.clone(), site, now)?;
    let seq = reading.seq;
    ready.writer.store(tenant, reading).await?;
    let told = json!({ "status": "accepted", "device_id": device.as_str(), "seq": seq });
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

fn ids(path: Result<Path<(String, String)>, PathRejection>) -> Reply<(TenantId, DeviceId)> {
    let refused = |code, detail: &'static str| move || Problem::bad_request(code, detail);
    let Path((tenant, device)) = path.map_err(|_| refused("INVALID_PATH", "the path is not UTF-8")())?;
    let tenant = TenantId::parse(&tenant)
        .ok_or_else(refused("INVALID_TENANT_ID", "a tenant's id has up to 64 letters, digits, _ and -"))?;
    let device = DeviceId::parse(&device).ok_or_else(refused(
        "INVALID_DEVICE_ID",
        "a device's id has up to 128 letters, digits, . _ : and -",
    ))?;
    Ok((tenant, device))
}

fn token(headers: &HeaderMap) -> Reply<TokenHash> {
    let shown = headers.get(TOKEN).map(|value| value.to_str().unwrap_or_default());
    let Some(token) = shown.filter(|token| !token.is_empty()) else {
        return Err(Problem::token_missing(Proof::ProvisionToken));
    };
    Ok(TokenHash::of(token))
}

/// Too long, or broken off.
fn unread(error: &axum::Error) -> Problem {
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        if deeper.to_string().contains("length limit") {
            return MessageRefusal::TooLarge.into();
        }
        cause = deeper.source();
    }
    Problem::bad_request("BODY_INCOMPLETE", "the body could not be read to its end")
}
