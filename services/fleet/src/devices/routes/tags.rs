//! The tags of a device.

use crate::caller::Caller;
use crate::devices::registry_refusal::RegistryRefusal;
use crate::devices::{DeviceId, draft, tags};
use crate::http::body;
use crate::http::failure::Reply;
use crate::service::Service;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json, Response};
use plimsoll_http::User;
use serde::Deserialize;
use serde_json::json;

type DevicePath = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tags {
    tags: Vec<String>,
}

impl Tags {
    fn checked(self) -> Result<Vec<String>, RegistryRefusal> {
        draft::tags(self.tags)
    }
}

/// `GET /customer/devices/{id}/tags`.
pub(super) async fn read(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let device = super::one(path)?;
        let tags = tags::read(&caller.ready.pools.ui, &caller.tenant, &device).await?;
        Ok(shown(&device, &tags))
    };
    Ok((caller.user(), reply.await))
}

/// `PUT /customer/devices/{id}/tags`: the device has these and no others.
pub(super) async fn replace(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let device = super::one(path)?;
        let tags = body::json::<Tags>(&headers, &body)?.checked()?;
        tags::replace(&caller.ready.pools.ui, &caller.tenant, &device, tags.clone()).await?;
        Ok(shown(&device, &tags))
    };
    Ok((caller.user(), reply.await))
}

/// `POST /customer/devices/{id}/tags`: the device has these too.
pub(super) async fn add(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let device = super::one(path)?;
        let tags = body::json::<Tags>(&headers, &body)?.checked()?;
        let all = tags::add(&caller.ready.pools.ui, &caller.tenant, &device, &tags).await?;
        Ok(shown(&device, &all))
    };
    Ok((caller.user(), reply.await))
}

fn shown(device: &DeviceId, tags: &[String]) -> Response {
    Json(json!({ "device_id": device.as_str(), "tags": tags })).into_response()
}
