//! `POST /customer/devices/import`: a CSV file as it is, not in a form.

use crate::caller::Caller;
use crate::devices::import::{self, RowResult};
use crate::devices::registry_refusal::RegistryRefusal;
use crate::http::failure::{Failure, Reply};
use crate::refusal::{NotDone, Refusal};
use crate::service::Service;
use crate::subscriptions::store::Actor;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json};
use plimsoll::Outcome;
use plimsoll_http::{Problem, User};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::Duration;

/// Registers the devices of a file; the answer has `total`, `imported`, `failed`, and in `results` what became of each row,
/// with the secret of each new device, which is told this once.
pub(super) async fn import(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Bytes,
    within: Duration,
) -> Reply<(User, Reply)> {
    let caller = Caller::of(&service, &headers).await?;
    Ok((caller.user(), imported(&caller, &headers, &body, within).await))
}

async fn imported(caller: &Caller<'_>, headers: &HeaderMap, file: &[u8], within: Duration) -> Reply {
    is_plain_csv(headers)?;
    let rows = import::parse(file)?;
    let actor = Actor::tenant(caller.tenant.as_str());
    let results = import::import(&caller.ready.pools.ui, &caller.tenant, rows, within, &actor).await;
    if results.iter().any(|result| result.done.is_ok()) {
        caller.ready.imports.done();
    }
    let total = results.len();
    let imported = results.iter().filter(|result| result.done.is_ok()).count();
    let results: Vec<Value> = results.into_iter().map(of_row).collect();
    let told =
        json!({ "total": total, "imported": imported, "failed": total - imported, "results": results });
    Ok(Json(told).into_response())
}

/// A file in a form, or packed, would be read as rows that make no sense.
fn is_plain_csv(headers: &HeaderMap) -> Reply<()> {
    let said =
        |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let kind = said(header::CONTENT_TYPE).unwrap_or_default();
    let is_packed = said(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let known = ["", "text/csv", "application/csv", "text/plain", "application/octet-stream"];
    // The last is what `curl --data-binary` says of whatever it sends.
    if !is_packed && (known.contains(&kind) || kind == "application/x-www-form-urlencoded") {
        return Ok(());
    }
    let title = "send the file as it is: curl --data-binary @devices.csv -H 'Content-Type: text/csv'";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", title).into())
}

fn of_row(row: RowResult) -> Value {
    let (number, device) = (row.number, row.device.map(|device| device.as_str().to_owned()));
    match row.done {
        Ok(created) => json!({
            "row": number,
            "device_id": device,
            "status": "imported",
            "client_id": created.client_id,
            "provision_token": created.token,
        }),
        Err(why) => {
            let detail = detail_of(&why);
            json!({
                "row": number,
                "device_id": device,
                "status": "failed",
                // The log is told of what the database failed with.
                "code": Failure::from(why).problem().code(),
                "detail": detail,
            })
        }
    }
}

/// Whether a row whose COMMIT was lost was registered is seen by sending it again: a device that exists is told.
fn detail_of(why: &NotDone<RegistryRefusal>) -> Cow<'static, str> {
    let outcome = match why {
        NotDone::Refused(refusal) => return refusal.detail(),
        NotDone::Failed(error) => error.outcome(),
        NotDone::FailedForAll(error) => error.outcome(),
    };
    match outcome {
        Outcome::Unknown | Outcome::Committed => {
            "the database was lost before it said whether the device is registered: if it is there, rotate its token".into()
        }
        _ => "the database failed, and the device is not registered: send the row again".into(),
    }
}
