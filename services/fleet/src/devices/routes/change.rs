//! What changes a device.

use super::show::device_json;
use crate::caller::Caller;
use crate::devices::change::{self, Change};
use crate::devices::draft::{self, Details, Draft};
use crate::devices::register;
use crate::devices::registry_refusal::RegistryRefusal;
use crate::devices::retire::{Retirement, retire};
use crate::devices::{DeviceId, SiteId};
use crate::http::body;
use crate::http::failure::Reply;
use crate::service::Service;
use crate::subscriptions::store::Actor;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json};
use plimsoll_http::User;
use serde::Deserialize;
use serde_json::{Map, Value, json};

type DevicePath = Result<Path<String>, PathRejection>;

/// The fields of a body that are not texts; those are the rest.
#[derive(Deserialize)]
struct DeviceBody {
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    site_id: Option<String>,
    #[serde(default)]
    subscription_id: Option<String>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(flatten)]
    texts: Map<String, Value>,
}

impl DeviceBody {
    fn draft(self) -> Result<Draft, RegistryRefusal> {
        let id = self.device_id.ok_or_else(|| draft::bad("device_id is missing"))?;
        Ok(Draft {
            device: draft::device_id(&id)?,
            site: self.site_id.map_or_else(|| Ok(SiteId::default_site()), |site| draft::site_id(&site))?,
            subscription: draft::subscription_id(self.subscription_id)?,
            details: Details::of(self.texts)?,
            tags: draft::tags(self.tags.unwrap_or_default())?,
        })
    }

    fn change(self) -> Result<Change, RegistryRefusal> {
        if self.device_id.is_some() || self.subscription_id.is_some() {
            return Err(draft::bad("device_id and subscription_id of a device cannot be changed"));
        }
        Ok(Change {
            site: self.site_id.map(|site| draft::site_id(&site)).transpose()?,
            details: Details::of(self.texts)?,
            tags: self.tags.map(draft::tags).transpose()?,
        })
    }
}

/// `POST /customer/devices`: registers a device. 201 with its token, which is told this once.
pub(super) async fn create(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), created(&caller, body::json(&headers, &body)).await))
}

async fn created(caller: &Caller<'_>, body: Reply<DeviceBody>) -> Reply {
    let draft = body?.draft()?;
    let (db, actor) = (&caller.ready.pools.ui, Actor::tenant(caller.tenant.as_str()));
    let created = register::create(db, &caller.tenant, &draft, "create", &actor).await?;
    let told = json!({
        "device_id": draft.device.as_str(),
        "site_id": draft.site.as_str(),
        "status": "ACTIVE",
        "subscription_id": created.subscription,
        "tags": draft.tags,
        "client_id": created.client_id,
        "provision_token": created.token,
    });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// `PATCH /customer/devices/{id}`: changes what the body names, and answers with the device as it is then.
pub(super) async fn update(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
    body: Bytes,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let device = super::one(path);
    Ok((caller.user(), updated(&caller, device, body::json(&headers, &body)).await))
}

async fn updated(caller: &Caller<'_>, device: Reply<DeviceId>, body: Reply<DeviceBody>) -> Reply {
    let (device, change) = (device?, body?.change()?);
    change::change(&caller.ready.pools.ui, &caller.tenant, &device, &change).await?;
    Ok(Json(device_json(caller, &device).await?).into_response())
}

/// `DELETE /customer/devices/{id}`.
pub(super) async fn delete(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), retired(&caller, super::one(path), Retirement::Deleted).await))
}

/// `PATCH /customer/devices/{id}/decommission`.
pub(super) async fn decommission(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), retired(&caller, super::one(path), Retirement::Decommissioned).await))
}

async fn retired(caller: &Caller<'_>, device: Reply<DeviceId>, to: Retirement) -> Reply {
    let device = device?;
    let actor = Actor::tenant(caller.tenant.as_str());
    let since = retire(&caller.ready.pools.ui, &caller.tenant, &device, to, &actor).await?;
    let told = match to {
        Retirement::Deleted => json!({ "device_id": device.as_str(), "status": "deleted" }),
        Retirement::Decommissioned => json!({
            "device_id": device.as_str(),
            "status": "INACTIVE",
            "decommissioned_at": since.map(|time| time.to_string()),
        }),
    };
    Ok(Json(told).into_response())
}

/// `DELETE /customer/devices/{id}/tags/{tag}`.
pub(super) async fn remove_tag(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), tag_removed(&caller, super::two(path)).await))
}

async fn tag_removed(caller: &Caller<'_>, named: Reply<(DeviceId, String)>) -> Reply {
    let (device, tag) = named?;
    draft::check_text("a tag", &tag, 64)?;
    change::remove_tag(&caller.ready.pools.ui, &caller.tenant, &device, &tag).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
