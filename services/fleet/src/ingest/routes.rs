//! `POST /ingest/v1/tenant/{t}/device/{d}/telemetry`: a device's reading over HTTP.
//!
//! The order is from cheap to dear: the form of the ids, the token's presence, what the headers say of the body, the
//! size, the message; only then is the
//! database asked who the device is, and only after all that is anything written. 202 means that the transaction which
//! holds the reading has committed.

use super::message::{self, Message};
use super::store::Reading;
use crate::credentials::TokenHash;
use crate::devices::admission::{self, Admission, Record};
use crate::devices::provision::{Provisioned, provision};
use crate::devices::{DeviceId, SiteId, store};
use crate::http::media;
use crate::http::problem::{Problem, Proof, Reply};
use crate::service::{Ready, Service};
use crate::tenants::{TenantId, TenantTx, transaction};
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use jiff::Timestamp;
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
    let now = to_microseconds(Timestamp::now());
    let message = message::parse(&body, now)?;
    let ready = service.ready()?;
    let site = admit(ready, &service, &tenant, &device, &shown, message.site.as_ref()).await?;
    let reading = reading(message, &device, site, now)?;
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
            return message::too_large();
        }
        cause = deeper.source();
    }
    Problem::bad_request("BODY_INCOMPLETE", "the body could not be read to its end")
}

/// Whether the device may send, registering it if this is its first message; and where it is.
async fn admit(
    ready: &Ready,
    service: &Service,
    tenant: &TenantId,
    device: &DeviceId,
    shown: &TokenHash,
    said: Option<&SiteId>,
) -> Reply<SiteId> {
    let known = record(ready, tenant, device).await?;
    let decision = match admission::decide(known.as_ref(), shown, service.auto_provision()) {
        Admission::ToBeProvisioned => {
            let site = said.cloned().unwrap_or_else(SiteId::default_site);
            match provision(&ready.pools.ingest, tenant, device, &site, shown).await? {
                // From here it is a message like any other.
                Provisioned::Made => return Ok(site),
                Provisioned::Existed => {
                    let known = record(ready, tenant, device).await?;
                    admission::decide(known.as_ref(), shown, false)
                }
                Provisioned::NoCapacity => {
                    let detail = "the tenant's subscription has no room for another device";
                    return Err(Problem::new(StatusCode::FORBIDDEN, "NO_SUBSCRIPTION_CAPACITY", detail));
                }
                Provisioned::UnknownSite => {
                    return Err(Problem::bad_request("UNKNOWN_SITE", "the tenant has no site of this name"));
                }
            }
        }
        decision => decision,
    };
    match decision {
        Admission::Accepted(site) if said.is_some_and(|said| *said != site) => {
            Err(Problem::bad_request("SITE_MISMATCH", "the device is registered at another site"))
        }
        Admission::Accepted(site) => Ok(site),
        Admission::Refused(problem) => Err(problem),
        Admission::ToBeProvisioned => Err(Problem::unavailable(
            "BUSY",
            "the device is just being registered; send again",
            std::time::Duration::from_secs(1),
        )),
    }
}

async fn record(ready: &Ready, tenant: &TenantId, device: &DeviceId) -> Reply<Option<Record>> {
    let call = ready.pools.ingest.named("look device up").read_only();
    Ok(transaction::retrying(call, tenant, async |tx: TenantTx| store::record(&tx, device).await).await?)
}

fn reading(message: Message, device: &DeviceId, site: SiteId, now: Timestamp) -> Reply<Reading> {
    let seq = match (message.seq, message.time) {
        (Some(seq), _) => seq,
        // The time makes it what it is; sent again, it is the same.
        (None, Some(_)) => 0,
        (None, None) => own_seq()?,
    };
    let time = message.time.unwrap_or(now);
    Ok(Reading { device: device.clone(), time, seq, site, metrics: message.metrics })
}

/// The time of arrival as it is kept: cut, so that it does not become one of tomorrow.
fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A number for a message that has neither time nor number of its own: negative, and small enough for every JSON reader.
fn own_seq() -> Reply<i64> {
    let random = getrandom::u64().map_err(|_| {
        tracing::error!("the operating system gives no random bytes");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the service could not number the message",
        )
    })?;
    Ok(-1 - i64::try_from(random >> 11).unwrap_or_default())
}
