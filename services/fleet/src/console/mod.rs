//! `/console`: the pages on which a tenant's people and the operators watch a fleet and act on it.
//!
//! | file | what is in it |
//! |---|---|
//! | here | the paths |
//! | [`pulse`], [`speed`] | whether the database is there and how fast it is, for a page that asks each second |
//! | [`overview`] | what a tenant's page shows first |
//! | [`newest`] | the newest readings of the devices on a page |
//! | [`inflow`] | what the operators' page shows first |
//! | [`page`] | the pages' own files, in the folder of that name |
//!
//! The pages hold no data and may be loaded by anyone. What they show comes from the routes that programs use too, with the
//! token that the page asks for; so a page can do no more than its token. They look as the dashboard does, and are drawn with
//! its colours and functions.
//!
//! Pages ask again and again instead of being told: an ordinary answer comes through every proxy, a page that was forgotten in
//! a tab holds nothing of the service, and one that is hidden asks for nothing. While the database is away a page asks for the
//! pulse alone, keeps what it last knew, and says from when that is.

mod inflow;
mod newest;
mod overview;
mod page;
mod pulse;
mod speed;

use crate::boot::demo::{Credentials, TENANT};
use crate::service::Service;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Json, Response};
use axum::routing::get;
use axum::{Extension, Router};
use plimsoll_http::{AccessRecord, Databases, NeedsDatabase, Operators, Options, Problem, layers};
use pulse::Pulse;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The tenants that are entered without a token that is typed: those of development, the one with devices first. None elsewhere.
#[derive(Clone, Default)]
pub(crate) struct OpenTenants(Vec<OpenTenant>);

/// One of them.
#[derive(Clone, Serialize)]
struct OpenTenant {
    tenant: &'static str,
    token: String,
    /// What is to be seen there.
    about: &'static str,
}

impl OpenTenants {
    /// Where this machine's user needs no token to be an operator either; `is_played_with` if made-up devices send readings.
    pub(crate) fn of(operators: &Operators, demo: Option<&Credentials>, is_played_with: bool) -> Self {
        let Some(demo) = demo.filter(|_| operators.is_open_here()) else { return OpenTenants::default() };
        let mut open = Vec::new();
        #[cfg(feature = "dev")]
        if is_played_with {
            let about = "made-up devices that send all the time";
            open.push(OpenTenant { tenant: crate::play::TENANT, token: demo.made_up_token(), about });
        }
        // Without the feature there are no devices to be made up.
        let _ = is_played_with;
        let about = "yours: empty until you send it something";
        open.push(OpenTenant { tenant: TENANT, token: demo.access_token.clone(), about });
        OpenTenants(open)
    }
}

/// The pages, and what the first of them shows.
pub(crate) fn all(databases: &Databases, open: OpenTenants) -> Router<Service> {
    let newest = || get(newest::newest).route_layer(NeedsDatabase::named(databases, "ui"));
    let overview = || get(overview::overview).route_layer(NeedsDatabase::named(databases, "ui"));
    let mut router = Router::new()
        .route("/console", get(async |headers: HeaderMap| page::TENANT.answer(&headers)))
        .route("/console/", get(async || moved("../console")))
        .route("/console/operator", get(async |headers: HeaderMap| page::OPERATOR.answer(&headers)))
        .route("/console/operator/", get(async || moved("../operator")))
        .route("/console/open-tenants", get(open_tenants).layer(Extension(open)))
        .route("/operator/system/ingest", get(inflow::inflow))
        .route("/api/v1/operator/system/ingest", get(inflow::inflow))
        .route("/customer/last-readings", newest())
        .route("/api/v1/customer/last-readings", newest())
        .route("/customer/overview", overview())
        .route("/api/v1/customer/overview", overview());
    for file in &page::FILES {
        let answer = async |headers: HeaderMap| file.answer(&headers);
        router = router.route(&format!("/console/{}", file.name), get(answer));
    }
    router
}

/// The pulse, with layers of its own: a page asks each second, which is not worth a line of the access log each time.
pub(crate) fn pulse(service: &Service) -> Router<Service> {
    let options = Options::default().deadline(Duration::from_secs(2)).access_log(|_: &AccessRecord<'_>| {});
    Router::new()
        .route("/console/pulse", get(pulse::pulse))
        .with_state(Pulse::new(service.clone()))
        .layer(layers(service.databases(), options))
}

/// How the tenants of development are entered, told to those who need no token to be an operator: this machine's user.
async fn open_tenants(
    State(service): State<Service>,
    Extension(OpenTenants(open)): Extension<OpenTenants>,
    headers: HeaderMap,
) -> Result<([(axum::http::HeaderName, HeaderValue); 1], Json<Value>), Problem> {
    let open = if service.operators().is_open_here() { open } else { Vec::new() };
    if !open.is_empty() {
        service.operators().check(&headers)?;
    }
    let not_kept = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((not_kept, Json(json!({ "tenants": open }))))
}

/// The page is at the path without the slash, by a path that holds also behind a proxy that serves it under another name.
fn moved(to: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}
