//! `POST /ingest/v1/tenant/{t}/device/{d}/telemetry`: a device's reading over HTTP; `/heartbeat`: that it is there.
//!
//! The body is in memory already, and not longer than a message. From there the order is from cheap to dear: the form of the
//! ids, the token's presence, what the headers say of the body; what comes then is [`intake`]'s. 202 means that the transaction which holds the reading has committed.

use super::intake::{self, Accepted, Incoming};
use super::reading::Kind;
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::http::failure::{self, Reply};
use crate::http::media;
use crate::refusal::Proof;
use crate::service::Service;
use crate::tenants::TenantId;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use plimsoll_http::{Problem, User};
use serde_json::json;

const TOKEN: &str = "x-provision-token";

/// Takes a reading.
pub(crate) async fn telemetry(
    State(service): State<Service>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(Option<User>, Reply)> {
    take(&service, path, &headers, &body, Kind::Telemetry).await
}

/// Takes a heartbeat; its body may be empty.
pub(crate) async fn heartbeat(
    State(service): State<Service>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(Option<User>, Reply)> {
    take(&service, path, &headers, &body, Kind::Heartbeat).await
}

async fn take(
    service: &Service,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: &HeaderMap,
    body: &[u8],
    kind: Kind,
) -> Reply<(Option<User>, Reply)> {
    let (tenant, device) = ids(path)?;
    let shown = token(headers)?;
    media::check(headers)?;
    let incoming = Incoming { tenant: &tenant, device: &device, shown: &shown, body };
    let taken = intake::take(service, incoming, kind).await;
    // Only what was proved is told to the log.
    let user = taken.is_proved.then(|| User::new(tenant.as_str()));
    Ok((user, taken.result.map(|accepted| told(&device, accepted)).map_err(Into::into)))
}

fn told(device: &DeviceId, Accepted { seq, is_duplicate }: Accepted) -> Response {
    let mut told = json!({ "status": "accepted", "device_id": device.as_str(), "seq": seq });
    if let (true, Some(told)) = (is_duplicate, told.as_object_mut()) {
        told.insert("duplicate".to_owned(), true.into());
    }
    (StatusCode::ACCEPTED, Json(told)).into_response()
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

/// The hash of the token that the headers show.
pub(super) fn token(headers: &HeaderMap) -> Result<TokenHash, Problem> {
    let shown = headers.get(TOKEN).map(|value| value.to_str().unwrap_or_default());
    let token = shown.filter(|token| !token.is_empty());
    token.map(TokenHash::of).ok_or_else(|| failure::token_missing(Proof::ProvisionToken))
}
