//! One device, and pages of them.

use crate::caller::Caller;
use crate::devices::DeviceId;
use crate::devices::list::{self, Filter, LastReading, Shown};
use crate::devices::registry_refusal::RegistryRefusal;
use crate::devices::state::DeviceState;
use crate::http::failure::{self, Reply};
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll_http::{Page, Problem, User};
use serde::Serialize;
use serde_json::{Value, json};

type Said = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /customer/devices?limit=100&after=<cursor>&status=ACTIVE&tag=roof`: the tenant's devices in the order of their ids,
/// and the cursor of the next page while there is one.
pub(super) async fn page(
    State(service): State<Service>,
    headers: HeaderMap,
    page: Result<Page, Problem>,
    query: Said,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), devices(&caller, page, query).await))
}

async fn devices(caller: &Caller<'_>, page: Result<Page, Problem>, query: Said) -> Reply {
    let page = page?;
    let Query(query) = query.map_err(|_| failure::bad_request("BAD_QUERY", "the query cannot be read"))?;
    let filter = Filter::of(query)?;
    let list = caller.ready.cursors.list::<String>(caller.tenant.as_str(), "devices", "device_id");
    let list = list.filtered_by("filter", &filter.signed());
    // Every id comes behind the empty text.
    let after = page.after(&list)?.unwrap_or_default();
    let wanted = page.rows_to_ask();
    let call = caller.ready.pools.ui.named("list devices").read_only();
    let read = async |tx: TenantTx| list::page(&tx, &filter, &after, wanted, caller.ready.state_limits).await;
    let mut devices = transaction::retrying(call, &caller.tenant, read).await?;
    let next = page.next(&list, &mut devices, |last: &Shown| last.device_id.clone())?;
    let rows: Vec<Value> = devices.iter().map(Shown::json).collect();
    Ok(Json(json!({ "devices": rows, "next": next })).into_response())
}

/// `GET /customer/devices/{id}`.
pub(super) async fn one(
    State(service): State<Service>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), shown(&caller, super::one(path)).await))
}

async fn shown(caller: &Caller<'_>, device: Reply<DeviceId>) -> Reply {
    let device = device?;
    let call = caller.ready.pools.ui.named("show device").read_only();
    let read = async |tx: TenantTx| match list::one(&tx, &device, caller.ready.state_limits).await? {
        Some(shown) => Ok(Some((shown, list::last_reading(&tx, &device).await?))),
        None => Ok(None),
    };
    let found = transaction::retrying(call, &caller.tenant, read).await?;
    let (shown, last_reading) = found.ok_or(RegistryRefusal::DeviceNotFound)?;
    Ok(Json(Whole { device: shown.json(), last_reading }).into_response())
}

/// A device and its newest reading, whose numbers are told as they were sent.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    device: Value,
    last_reading: Option<LastReading>,
}

/// A device as it is now.
pub(super) async fn device_json(caller: &Caller<'_>, device: &DeviceId) -> Reply<Value> {
    let call = caller.ready.pools.ui.named("show device").read_only();
    let read = async |tx: TenantTx| list::one(&tx, device, caller.ready.state_limits).await;
    let found = transaction::retrying(call, &caller.tenant, read).await?;
    Ok(found.ok_or(RegistryRefusal::DeviceNotFound)?.json())
}

/// `GET /customer/devices/summary`: how many devices there are, and how many in each state.
pub(super) async fn summary(State(service): State<Service>, headers: HeaderMap) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), counted(&caller).await))
}

async fn counted(caller: &Caller<'_>) -> Reply {
    let call = caller.ready.pools.ui.named("count devices").read_only();
    let read = async |tx: TenantTx| list::summary(&tx, caller.ready.state_limits).await;
    let (total, counts) = transaction::retrying(call, &caller.tenant, read).await?;
    let mut told = json!({ "total": total });
    if let Some(told) = told.as_object_mut() {
        told.extend(
            DeviceState::ALL
                .iter()
                .zip(counts)
                .map(|(state, count)| (state.as_str().to_owned(), count.into())),
        );
    }
    Ok(Json(told).into_response())
}
