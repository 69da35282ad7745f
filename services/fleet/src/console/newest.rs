//! `GET /customer/last-readings?devices=d1,d2`: the newest reading of each of these devices, for a page of the list, which itself
//! is one statement that reads no readings. One statement too, with a look into the index for each device.

use crate::caller::Caller;
use crate::devices::DeviceId;
use crate::http::failure::{self, Reply};
use crate::instant::StoredInstant;
use crate::service::Service;
use crate::tenants::{TenantTx, transaction};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Json};
use plimsoll::{Error, Result};
use plimsoll_http::{Problem, User};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The devices that can be asked about at once.
const MOST: usize = 50;

const NEWEST: &str = "
    SELECT d.device_id, r.time, r.seq, r.metrics::text
    FROM unnest($2::text[]) AS d (device_id)
    CROSS JOIN LATERAL (
        SELECT t.time, t.seq, t.metrics FROM public.telemetry t
        WHERE t.tenant_id = $1 AND t.device_id = d.device_id ORDER BY t.time DESC, t.seq DESC LIMIT 1) AS r
    ORDER BY d.device_id";

#[derive(Deserialize)]
pub(super) struct Asked {
    devices: String,
}

/// The newest reading of a device; its numbers are told as they were sent.
#[derive(Debug, Serialize)]
struct Newest {
    device_id: String,
    ts: String,
    seq: i64,
    metrics: Box<RawValue>,
}

#[derive(Serialize)]
struct Told {
    readings: Vec<Newest>,
}

pub(super) async fn newest(
    State(service): State<Service>,
    headers: HeaderMap,
    query: std::result::Result<Query<Asked>, QueryRejection>,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    let reply = async {
        let devices = devices(query)?;
        let call = caller.ready.pools.ui.named("newest readings").read_only();
        let read = async |tx: TenantTx| of(&tx, &devices).await;
        let readings = transaction::retrying(call, &caller.tenant, read).await?;
        Ok(Json(Told { readings }).into_response())
    };
    Ok((caller.user(), reply.await))
}

/// The devices that are asked about; one that is named twice is told once.
fn devices(
    query: std::result::Result<Query<Asked>, QueryRejection>,
) -> std::result::Result<Vec<String>, Problem> {
    let bad =
        || failure::bad_request("BAD_DEVICES", "devices names 1 to 50 devices, with commas between them");
    let Query(asked) = query.map_err(|_| bad())?;
    let mut named: Vec<String> = asked.devices.split(',').map(str::to_owned).collect();
    named.sort_unstable();
    named.dedup();
    let is_right = named.len() <= MOST && named.iter().all(|name| DeviceId::parse(name).is_some());
    if is_right { Ok(named) } else { Err(bad()) }
}

async fn of(tx: &TenantTx, devices: &[String]) -> Result<Vec<Newest>> {
    let rows = tx.query(NEWEST, &[&tx.tenant(), &devices]).await?;
    rows.iter()
        .map(|row| {
            let ts: StoredInstant = row.try_get(1)?;
            let metrics = RawValue::from_string(row.try_get(3)?)
                .map_err(|problem| Error::abort(format!("a stored reading is no JSON: {problem}")))?;
            Ok(Newest { device_id: row.try_get(0)?, ts: ts.to_string(), seq: row.try_get(2)?, metrics })
        })
        .collect()
}
