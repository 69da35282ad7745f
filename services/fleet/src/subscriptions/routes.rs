//! Subscriptions over HTTP, each path with and without `/api/v1`.
//!
//! | method and path | |
//! |---|---|
//! | `GET /customer/subscriptions`, `/customer/subscriptions/{id}` | a page of them, and one |
//! | `GET /customer/subscription/audit` | what happened, the newest first |
//! | `POST /subscription/renew`, `/customer/subscription/renew` | renews one |

use super::list::{self, Listed};
use super::refusal::SubscriptionRefusal;
use super::renew;
use super::renewal::{RenewBody, Renewal};
use super::store::Actor;
use super::subscription;
use crate::caller::Caller;
use crate::http::body;
use crate::http::failure::{self, Reply};
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use axum::routing::{get, post};
use plimsoll_http::{Databases, NeedsDatabase, Page, Problem, User};
use serde_json::{Value, json};

const KEY: &str = "idempotency-key";

type Said = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let needs = || NeedsDatabase::named(databases, "ui");
    let mut router = Router::new();
    for prefix in ["/api/v1", ""] {
        let path = |rest: &str| format!("{prefix}{rest}");
        router = router
            .route(&path("/customer/subscriptions"), get(page).route_layer(needs()))
            .route(&path("/customer/subscriptions/{subscription}"), get(one).route_layer(needs()))
            .route(&path("/customer/subscription/audit"), get(audit).route_layer(needs()))
            .route(&path("/customer/subscription/renew"), post(renew_one).route_layer(needs()))
            .route(&path("/subscription/renew"), post(renew_one).route_layer(needs()));
    }
    router
}

/// `GET /customer/subscriptions?limit=100&after=<cursor>`.
async fn page(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), listed(&caller, page).await))
}

async fn listed(caller: &Caller<'_>, page: Result<Page, Problem>) -> Reply {
    let page = page?;
    let list =
        caller.ready.cursors.list::<String>(caller.tenant.as_str(), "subscriptions", "subscription_id");
    let after = page.after(&list)?.unwrap_or_default();
    let wanted = page.rows_to_ask();
    let call = caller.ready.pools.ui.named("list subscriptions").read_only();
    let read = async |tx: TenantTx| list::page(&tx, &after, wanted).await;
    let mut rows = transaction::retrying(call, &caller.tenant, read).await?;
    let next = page.next(&list, &mut rows, |last: &Listed<String>| last.key.clone())?;
    let rows: Vec<Value> = rows.into_iter().map(|row| row.json).collect();
    Ok(Json(json!({ "subscriptions": rows, "next": next })).into_response())
}

/// `GET /customer/subscriptions/{id}`.
async fn one(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), shown(&caller, path).await))
}

async fn shown(caller: &Caller<'_>, path: Result<Path<String>, PathRejection>) -> Reply {
    let Path(id) = path.map_err(|_| SubscriptionRefusal::NotFound)?;
    if !subscription::is_id(&id) {
        return Err(SubscriptionRefusal::NotFound.into());
    }
    let call = caller.ready.pools.ui.named("show subscription").read_only();
    let read = async |tx: TenantTx| list::one(&tx, &id).await;
    let found = transaction::retrying(call, &caller.tenant, read).await?;
    Ok(Json(found.ok_or(SubscriptionRefusal::NotFound)?).into_response())
}

/// `GET /customer/subscription/audit?subscription_id=SUB-..&limit=100&after=<cursor>`.
async fn audit(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
    query: Said,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), events(&caller, page, query).await))
}

async fn events(caller: &Caller<'_>, page: Result<Page, Problem>, query: Said) -> Reply {
    let page = page?;
    let Query(query) = query.map_err(|_| failure::bad_request("BAD_QUERY", "the query cannot be read"))?;
    let named = query.into_iter().find(|(name, _)| name == "subscription_id").map(|(_, id)| id);
    if named.as_ref().is_some_and(|id| !subscription::is_id(id)) {
        return Err(SubscriptionRefusal::NotFound.into());
    }
    let list =
        caller.ready.cursors.list::<i64>(caller.tenant.as_str(), "subscription events", "event_id desc");
    let list = list.filtered_by("subscription_id", named.as_deref().unwrap_or_default());
    let before = page.after(&list)?;
    let wanted = page.rows_to_ask();
    let call = caller.ready.pools.ui.named("list subscription events").read_only();
    let read = async |tx: TenantTx| list::events(&tx, before, named.as_deref(), wanted).await;
    let mut rows = transaction::retrying(call, &caller.tenant, read).await?;
    let next = page.next(&list, &mut rows, |last: &Listed<i64>| last.key)?;
    let rows: Vec<Value> = rows.into_iter().map(|row| row.json).collect();
    Ok(Json(json!({ "events": rows, "next": next })).into_response())
}

/// `POST /subscription/renew`. A header `Idempotency-Key` makes the same request sent again one request.
async fn renew_one(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), renewed(&caller, &headers, &body).await))
}

async fn renewed(caller: &Caller<'_>, headers: &HeaderMap, sent: &[u8]) -> Reply {
    let key = key(headers)?;
    let asked = Renewal::of(body::json::<RenewBody>(headers, sent)?)?;
    let actor = Actor::tenant(caller.tenant.as_str());
    let told = renew::renew(&caller.ready.pools.ui, &caller.tenant, &asked, key, &actor).await?;
    Ok(Json(told).into_response())
}

fn key(headers: &HeaderMap) -> Reply<Option<&str>> {
    let mut said = headers.get_all(KEY).iter();
    let Some(first) = said.next() else { return Ok(None) };
    let key = first.to_str().ok().filter(|key| (1..=255).contains(&key.len()) && said.next().is_none());
    let refused =
        || failure::bad_request("BAD_IDEMPOTENCY_KEY", "Idempotency-Key is one text of 1 to 255 characters");
    Ok(Some(key.ok_or_else(refused)?))
}
