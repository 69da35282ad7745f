//! Every path there is, and the layers around all of them.

use crate::audit;
use crate::boot::access::AccessTo;
use crate::boot::alert_paths;
use crate::console::{self, OpenTenants};
use crate::front::{self, FrontInput};
use crate::ingest::{batch, message};
use crate::service::Service;
use crate::{devices, identity, ingest, openapi, operator, sites, subscriptions, telemetry};
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Json;
use axum::routing::{get, post};
use plimsoll_http::{
    DashboardOptions, EndpointOptions, Marks, NeedsDatabase, Problem, ReadySwitch, dashboard, endpoints,
    layers,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Of the service, as its pages show it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest body of what people send: a renewal names up to ten thousand devices, a schedule everyone on call.
const OF_PEOPLE: usize = 256 << 10;

/// What the paths need to know.
pub(crate) struct RouterInput {
    pub(crate) service: Service,
    /// Requests may take so long.
    pub(crate) deadline: Duration,
    /// Turned when the service stops.
    pub(crate) ready: ReadySwitch,
    /// What happens, for the dashboard.
    pub(crate) marks: Marks,
    /// Which requests are logged.
    pub(crate) access: AccessTo,
    /// For the page at `/`.
    pub(crate) front: FrontInput,
    /// For the console, in development.
    pub(crate) open_tenants: OpenTenants,
}

/// All of them.
pub(crate) fn all(given: RouterInput) -> Router {
    let RouterInput { service, deadline, ready, marks, access, front, open_tenants } = given;
    let operators = service.operators().clone();
    let dashboard_options = DashboardOptions::default().service("fleet").version(VERSION).marks(&marks);
    let databases = service.databases().clone();
    let needs = |pool| NeedsDatabase::named(&databases, pool);
    let readings = || post(ingest::routes::telemetry).route_layer(needs("ingest"));
    let heartbeats = || post(ingest::routes::heartbeat).route_layer(needs("ingest"));
    let uploads = devices::routes::uploads(&databases, access.options(deadline), deadline)
        .layer(from_fn(audit::origin::of_a_person));
    // Of messages, and of what takes no body.
    let options = access.options(deadline).body_bytes(message::LARGEST);
    let of_batches = access.options(deadline).body_bytes(batch::LARGEST);
    let batches = Router::new()
        .route("/ingest/v1/batch", post(batch::batch).route_layer(needs("ingest")))
        .method_not_allowed_fallback(not_this_way)
        .layer(layers(&databases, of_batches));
    let for_people = access.options(deadline).body_bytes(OF_PEOPLE);
    let of_people = Router::new()
        .merge(devices::routes::all(&databases))
        .merge(subscriptions::routes::all(&databases))
        .merge(telemetry::routes::all(&databases))
        .merge(sites::routes(&databases))
        .merge(identity::routes::all(&databases))
        .merge(alert_paths::all(&needs("ui")))
        .merge(audit::routes::all(&databases))
        .merge(operator::routes::all(&databases))
        .method_not_allowed_fallback(not_this_way)
        .layer(from_fn(audit::origin::of_a_person))
        .layer(from_fn_with_state(service.clone(), identity::route::operators_first))
        .layer(layers(&databases, for_people));
    Router::new()
        .route("/healthz", get(alive))
        .route("/openapi.json", get(openapi::answer))
        .route("/ingest/v1/tenant/{tenant}/device/{device}/telemetry", readings())
        .route("/ingest/tenant/{tenant}/device/{device}/telemetry", readings())
        .route("/ingest/v1/tenant/{tenant}/device/{device}/heartbeat", heartbeats())
        .route("/ingest/tenant/{tenant}/device/{device}/heartbeat", heartbeats())
        .merge(endpoints(&databases, &operators, about(&service, &ready)))
        .merge(front::routes(front))
        .merge(console::all(&databases, open_tenants))
        .nest("/plimsoll", dashboard(&databases, &operators, dashboard_options))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(from_fn_with_state(service.clone(), identity::route::operators_first))
        .layer(layers(&databases, options))
        .merge(of_people)
        .merge(batches)
        .merge(uploads)
        .merge(console::pulse(&service))
        .layer(from_fn(identity::route::remember))
        .with_state(service)
}

/// What the service says about itself. Health is asked through the pool of which no work takes; without the two that work is
/// done with, no request should come here.
fn about(service: &Service, ready: &ReadySwitch) -> EndpointOptions {
    let (of_ingest, of_mqtt) = (service.clone(), service.clone());
    let ingest = move || std::future::ready(ingest::health::of(&of_ingest));
    let options = EndpointOptions::default()
        .asks("system")
        .ready_with(["ui", "ingest"])
        .ready(ready)
        .component("ingest", ingest);
    match service.mqtt().is_on() {
        true => options.component("mqtt", move || std::future::ready(of_mqtt.mqtt().health())),
        false => options,
    }
}

/// Whether the process answers, as `/livez` tells it, in JSON. The database has no part in it: to restart a service because its database is away helps
/// nobody.
async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path")
}

async fn not_this_way() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this path does not take this method")
}
