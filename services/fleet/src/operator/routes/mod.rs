//! The operators' plane over HTTP, each path with and without `/api/v1`; what is answered about the machine is in
//! [`system`].
//!
//! | method and path | |
//! |---|---|
//! | `GET /operator/tenants?status&search` | a page of the list |
//! | `POST /operator/tenants` | makes one: 201 with its provisioning key and its first access token, which are told this once |
//! | `GET`, `PATCH`, `DELETE /operator/tenants/{tenant}` | shows with its numbers; renames, suspends, lets in again; deletes |
//! | `GET /operator/subscriptions?tenant_id&status&type`, `POST` | a page of the list; makes one |
//! | `PATCH /operator/subscriptions/{tenant}/{subscription}` | changes its limit or its state |
//! | `GET /operator/devices?tenant_id&status&search` | a page of the devices of all tenants |
//! | `GET /operator/alerts?tenant_id&status&alert_type` | a page of their alerts, the newest first |
//! | `GET /operator/quarantine?tenant_id&reason&device_id` | a page of what was not taken, the newest first |
//! | `GET /operator/audit-log?tenant_id&actor_id&action` | a page of who did what, the newest first |

mod lists;
mod subscriptions;
mod tenants;

use super::system;
use crate::service::Service;
use axum::Router;
use axum::routing::{MethodRouter, get, patch};
use plimsoll_http::{Databases, NeedsDatabase};

/// The paths.
pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let needs = NeedsDatabase::named(databases, "ui");
    let tenant = || get(tenants::one).patch(tenants::change).delete(tenants::delete);
    let asks: Vec<(&str, MethodRouter<Service>)> = vec![
        ("/operator/tenants", get(tenants::page).post(tenants::create)),
        ("/operator/tenants/{tenant}", tenant()),
        ("/operator/subscriptions", get(subscriptions::page).post(subscriptions::create)),
        ("/operator/subscriptions/{tenant}/{subscription}", patch(subscriptions::change)),
        ("/operator/devices", get(lists::devices)),
        ("/operator/alerts", get(lists::alerts)),
        ("/operator/quarantine", get(lists::quarantine)),
        ("/operator/audit-log", get(lists::audit_log)),
        ("/operator/system/aggregates", get(system::aggregates)),
    ];
    let remembers: Vec<(&str, MethodRouter<Service>)> = vec![
        ("/operator/system/metrics", get(system::metrics)),
        ("/operator/system/metrics/latest", get(system::latest)),
        ("/operator/system/metrics/history", get(system::samples)),
        ("/operator/system/errors", get(system::errors)),
    ];
    let asks = asks.into_iter().map(|(path, method)| (path, method.route_layer(needs.clone())));
    asks.chain(remembers).fold(Router::new(), |router, (path, method)| {
        router.route(&format!("/api/v1{path}"), method.clone()).route(path, method)
    })
}
