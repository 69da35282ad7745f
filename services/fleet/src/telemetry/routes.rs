//! Readings over HTTP, each path with and without `/api/v1`.
//!
//! | path | |
//! |---|---|
//! | `GET /customer/devices/{id}/telemetry?from&to&limit&after` | a page, the newest first |
//! | `GET /customer/devices/{id}/telemetry?bucket=5m&from&to&metric` | the least, mean and greatest of each metric by bucket, the oldest first |
//! | `GET /customer/devices/{id}/telemetry/export?from&to&format=csv` | a file, streamed, the oldest first |

use super::export::{Export, Part};
use super::query::{Buckets, Format, Range, Said};
use super::store::{self, Place, Point, Shown};
use super::{TelemetryRefusal, query};
use crate::caller::Caller;
use crate::devices::DeviceId;
use crate::http::failure::Reply;
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use plimsoll_http::{Databases, NeedsDatabase, Page, Problem, RouteDeadline, User};
use serde::Serialize;
use std::time::Duration;

/// How long a file may take: the client decides how fast it is read.
const OF_A_FILE: Duration = Duration::from_secs(600);

/// The most points of a chart.
const MOST_POINTS: i64 = 20_000;

type DevicePath = Result<Path<String>, PathRejection>;
type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// The paths.
pub(crate) fn all(databases: &Databases) -> Router<Service> {
    let needs = || NeedsDatabase::named(databases, "ui");
    let mut router = Router::new();
    for prefix in ["/api/v1", ""] {
        let path = format!("{prefix}/customer/devices/{{device}}/telemetry");
        let file = get(export).route_layer(needs()).layer(RouteDeadline::of(OF_A_FILE));
        router = router.route(&path, get(read).route_layer(needs())).route(&format!("{path}/export"), file);
    }
    router
}

#[derive(Serialize)]
struct PageOfReadings {
    items: Vec<Shown>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Chart {
    bucket_seconds: i32,
    points: Vec<Point>,
}

async fn read(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
    page: Result<Page, Problem>,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let (device, said) = (device(path)?, said(query)?);
        if said.is_chart() {
            let (range, buckets) = said.chart(Timestamp::now())?;
            return chart(&caller, &device, range, &buckets).await;
        }
        readings(&caller, &device, &said, &page?).await
    };
    Ok((caller.user(), reply.await))
}

async fn readings(caller: &Caller<'_>, device: &DeviceId, said: &Said, page: &Page) -> Reply {
    let range = said.page(Timestamp::now())?;
    let list = caller.ready.cursors.list::<Place>(caller.tenant.as_str(), "telemetry", "time DESC, seq DESC");
    let list = list.filtered_by("device", device.as_str()).filtered_by("range", &said.signed());
    let (before, wanted) = (page.after(&list)?, page.rows_to_ask());
    let call = caller.ready.pools.ui.named("read telemetry").read_only();
    let read = async |tx: TenantTx| {
        if !store::has(&tx, device).await? {
            return Ok(None);
        }
        store::newest_first(&tx, device, range, before, wanted).await.map(Some)
    };
    let found = transaction::retrying(call, &caller.tenant, read).await?;
    let mut items = found.ok_or(TelemetryRefusal::DeviceNotFound)?;
    let next = page.next(&list, &mut items, Shown::place)?;
    Ok(Json(PageOfReadings { items, next }).into_response())
}

async fn chart(caller: &Caller<'_>, device: &DeviceId, range: Range, buckets: &Buckets) -> Reply {
    let call = caller.ready.pools.ui.named("telemetry by bucket").read_only();
    let read = async |tx: TenantTx| {
        if !store::has(&tx, device).await? {
            return Ok(None);
        }
        store::by_bucket(&tx, device, range, buckets, MOST_POINTS + 1).await.map(Some)
    };
    let found = transaction::retrying(call, &caller.tenant, read).await?;
    let points = found.ok_or(TelemetryRefusal::DeviceNotFound)?;
    if i64::try_from(points.len()).is_ok_and(|count| count > MOST_POINTS) {
        return Err(TelemetryRefusal::TooManyPoints { most: MOST_POINTS }.into());
    }
    Ok(Json(Chart { bucket_seconds: buckets.seconds, points }).into_response())
}

async fn export(
    State(service): State<Service>,
    headers: HeaderMap,
    path: DevicePath,
    query: Asked,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let device = device(path)?;
        let (range, format) = said(query)?.file(Timestamp::now())?;
        let named = file_name(&device, format);
        let part = Export::begin(&caller.ready.pools.ui, &caller.tenant, device, range, format).await?;
        Ok((told(format, named), body(part)).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// The first part is there already, so what is wrong with the question was told in an answer of its own.
fn body(first: Part) -> Body {
    match first.rest {
        None => Body::from(first.bytes),
        Some(rest) => Body::from_stream(stream::once(async { Ok(first.bytes) }).chain(rest.parts())),
    }
}

fn told(format: Format, name: String) -> [(HeaderName, String); 3] {
    [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        // A browser must not guess that it is a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ]
}

/// Every letter of a device's id may stand in a file's name, but for the colon.
fn file_name(device: &DeviceId, format: Format) -> String {
    format!("telemetry-{}.{}", device.as_str().replace(':', "_"), format.extension())
}

/// The device of a path. An id that cannot be one is no device's.
fn device(path: DevicePath) -> Result<DeviceId, TelemetryRefusal> {
    let Path(device) = path.map_err(|_| TelemetryRefusal::DeviceNotFound)?;
    DeviceId::parse(&device).ok_or(TelemetryRefusal::DeviceNotFound)
}

fn said(query: Asked) -> Result<query::Said, TelemetryRefusal> {
    let unread = |_| TelemetryRefusal::BadQuery("the query cannot be read".into());
    let Query(query) = query.map_err(unread)?;
    Said::of(query)
}
