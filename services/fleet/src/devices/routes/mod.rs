//! Devices over HTTP, each path with and without `/api/v1`.
//!
//! | method and path | |
//! |---|---|
//! | `GET /customer/devices` | a page of the list |
//! | `POST /customer/devices` | registers one: 201 with its token, which is told this once |
//! | `POST /customer/devices/import` | registers those of a CSV file |
//! | `GET /customer/devices/summary` | how many there are in each state |
//! | `GET`, `PATCH`, `DELETE /customer/devices/{id}` | shows, changes, deletes |
//! | `PATCH /customer/devices/{id}/decommission` | puts aside |
//! | `GET`, `PUT`, `POST /customer/devices/{id}/tags` | its tags: shows, puts all anew, adds |
//! | `DELETE /customer/devices/{id}/tags/{tag}` | takes one tag away |
//! | `GET /customer/devices/{id}/tokens` | what it was given |
//! | `POST /customer/devices/{id}/tokens/rotate` | a new token; those before do not count any more |
//! | `DELETE /customer/devices/{id}/tokens/{token}` | revokes one |

mod change;
mod import;
mod show;
mod tags;
mod tokens;

use super::device::{IMPORT, SUMMARY};
use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, import as csv};
use crate::http::failure::Reply;
use crate::service::Service;
use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::routing::{delete, get, patch, post};
use plimsoll_http::{Databases, NeedsDatabase, Options, layers};
use std::time::Duration;

const PREFIXES: [&str; 2] = ["/api/v1", ""];

/// The paths whose bodies are those of any request.
pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let needs = || NeedsDatabase::named(databases, "ui");
    let mut router = Router::new();
    for prefix in PREFIXES {
        let path = |rest: &str| format!("{prefix}/customer/devices{rest}");
        router = router
            .route(&path(""), get(show::page).post(change::create).route_layer(needs()))
            .route(&path(&format!("/{SUMMARY}")), get(show::summary).route_layer(needs()))
            .route(
                &path("/{device}"),
                get(show::one).patch(change::update).delete(change::delete).route_layer(needs()),
            )
            .route(&path("/{device}/decommission"), patch(change::decommission).route_layer(needs()))
            .route(
                &path("/{device}/tags"),
                get(tags::read).put(tags::replace).post(tags::add).route_layer(needs()),
            )
            .route(&path("/{device}/tags/{tag}"), delete(change::remove_tag).route_layer(needs()))
            .route(&path("/{device}/tokens"), get(tokens::list).route_layer(needs()))
            .route(&path("/{device}/tokens/rotate"), post(tokens::rotate).route_layer(needs()))
            .route(&path("/{device}/tokens/{token}"), delete(tokens::revoke).route_layer(needs()));
    }
    router
}

/// The import takes a file, which is larger than any other body; so it has layers of its own.
pub(crate) fn uploads(databases: &Databases, options: Options, deadline: Duration) -> Router<Service> {
    let needs = || NeedsDatabase::named(databases, "ui");
    // What remains of the time is for the answer.
    let within = deadline * 3 / 4;
    let mut router = Router::new();
    for prefix in PREFIXES {
        let path = format!("{prefix}/customer/devices/{IMPORT}");
        let take = move |service, headers, body| import::import(service, headers, body, within);
        router = router.route(&path, post(take).route_layer(needs()));
    }
    router.layer(layers(databases, options.body_bytes(csv::LARGEST)))
}

/// The device of a path. An id that cannot be one is no device's.
fn device_of(text: &str) -> Result<DeviceId, RegistryRefusal> {
    DeviceId::parse(text).ok_or(RegistryRefusal::DeviceNotFound)
}

/// The part of a path that names the device.
fn one(path: Result<Path<String>, PathRejection>) -> Reply<DeviceId> {
    let Path(device) = path.map_err(|_| RegistryRefusal::DeviceNotFound)?;
    Ok(device_of(&device)?)
}

/// The parts of a path that name the device and something of it.
fn two(path: Result<Path<(String, String)>, PathRejection>) -> Reply<(DeviceId, String)> {
    let Path((device, other)) = path.map_err(|_| RegistryRefusal::DeviceNotFound)?;
    Ok((device_of(&device)?, other))
}
