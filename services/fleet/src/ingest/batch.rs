//! `POST /ingest/v1/batch`: 1 to 100 messages at once, each of which has its own fate.
//!
//! `{"messages": [{"tenant_id": "test", "device_id": "d1", "provision_token": "..", "ts": "..", "metrics": {"t": 1}}, ..]}`.
//! A message that has no token of its own is proved by the header `X-Provision-Token`. Beside these three and `msg_type`, it is
//! what a device sends alone, and goes the same way. 202 says that at least one is stored; each is told in `results`. Where none
//! is, and one of them is worth sending again, the answer is 503; else 400.
//!
//! The database is asked once about a device that several messages are of.

use super::fields::Fields;
use super::intake::{self, Accepted, Admitted, Entered, Incoming, Taken};
use super::reading::Kind;
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::http::failure::{self, Failure, Reply};
use crate::http::media;
use crate::refusal::Proof;
use crate::service::Service;
use crate::tenants::TenantId;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use futures_util::StreamExt;
use plimsoll_http::Problem;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The biggest body that is read: of a hundred of the biggest messages.
pub(crate) const LARGEST: usize = 1 << 20;

const MOST: usize = 100;

/// Messages of one request about whose devices the database is asked at a time.
const AT_ONCE: usize = 8;

/// What names a message, and is no part of what its device says.
pub(super) const NAMES: [&str; 4] = ["tenant_id", "device_id", "provision_token", "msg_type"];

/// One of the messages, as far as it could be read.
struct Named {
    tenant: TenantId,
    device: DeviceId,
    shown: TokenHash,
    kind: Kind,
    body: String,
}

impl Named {
    fn incoming(&self) -> Incoming<'_> {
        Incoming {
            tenant: &self.tenant,
            device: &self.device,
            shown: &self.shown,
            body: self.body.as_bytes(),
        }
    }
}

/// What is told of a message.
struct Told {
    device: Value,
    result: Result<Accepted, Problem>,
}

/// Takes a batch.
pub(crate) async fn batch(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Reply {
    media::check(&headers)?;
    let messages = messages(&body)?;
    let header = super::routes::token(&headers).ok();
    let mut told: BTreeMap<usize, Told> = BTreeMap::new();
    let mut named = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        match read(message, header.as_ref()) {
            Ok(message) => named.push((index, message)),
            Err((device, problem)) => drop(told.insert(index, Told { device, result: Err(problem) })),
        }
    }
    for (index, device, taken) in take(&service, &named).await {
        let result = taken.result.map_err(|why| Failure::from(why).problem().clone());
        told.insert(index, Told { device: device.as_str().into(), result });
    }
    Ok(answer(&told))
}

fn messages(body: &[u8]) -> Reply<Vec<&RawValue>> {
    let wrong =
        || failure::bad_request("INVALID_BATCH", "a batch is {\"messages\": [..]} with 1 to 100 messages");
    let Fields(fields) = Fields::read(body).map_err(|_| wrong())?;
    let listed = fields.get("messages").ok_or_else(wrong)?;
    let messages: Vec<&RawValue> = serde_json::from_str(listed.get()).map_err(|_| wrong())?;
    if (1..=MOST).contains(&messages.len()) { Ok(messages) } else { Err(wrong().into()) }
}

/// Who a message is from, and what remains of it without that: a token must not be kept with it.
fn read(message: &RawValue, header: Option<&TokenHash>) -> Result<Named, (Value, Problem)> {
    let nothing = |problem| (Value::Null, problem);
    let refused = |code, title: &'static str| failure::bad_request(code, title);
    let fields = Fields::read(message.get().as_bytes()).map_err(|_| {
        nothing(refused("INVALID_MESSAGE", "a message is an object without a field that is there twice"))
    })?;
    let text = |name: &str| fields.text(name);
    let device = text("device_id").and_then(|id| DeviceId::parse(&id));
    let device =
        device.ok_or_else(|| nothing(refused("INVALID_DEVICE_ID", "device_id is no device's id")))?;
    let of_device = |problem| (Value::from(device.as_str()), problem);
    let tenant = text("tenant_id").and_then(|id| TenantId::parse(&id));
    let tenant =
        tenant.ok_or_else(|| of_device(refused("INVALID_TENANT_ID", "tenant_id is no tenant's id")))?;
    let kind = match fields.0.contains_key("msg_type") {
        false => Some(Kind::Telemetry),
        true => text("msg_type").and_then(|kind| Kind::parse(&kind)),
    };
    let kind = kind.ok_or_else(|| {
        of_device(refused("INVALID_MSG_TYPE", "msg_type is \"telemetry\" or \"heartbeat\""))
    })?;
    let own = text("provision_token").filter(|token| !token.is_empty()).map(|token| TokenHash::of(&token));
    let shown =
        own.or(header.copied()).ok_or_else(|| of_device(failure::token_missing(Proof::ProvisionToken)))?;
    let body = fields.without(&NAMES);
    Ok(Named { tenant, device, shown, kind, body })
}

/// First one message of each device is let in, so that the database is asked about it; then all the others; and what was let in is
/// stored together, in the order of the messages.
async fn take<'a>(service: &Service, named: &'a [(usize, Named)]) -> Vec<(usize, &'a DeviceId, Taken)> {
    let admitted = Admitted::default();
    let mut seen = HashSet::new();
    let (first, others): (Vec<_>, Vec<_>) =
        named.iter().partition(|(_, Named { tenant, device, shown, .. })| {
            seen.insert((tenant.as_str(), device.as_str(), shown.bytes()))
        });
    let mut entered = enter(service, first, AT_ONCE, &admitted).await;
    entered.extend(enter(service, others, MOST, &admitted).await);
    entered.sort_by_key(|((index, _), _)| *index);
    let mut storing = Vec::with_capacity(entered.len());
    for (one, entered) in entered {
        storing.push(store_one(service, one, entered));
    }
    futures_util::future::join_all(storing).await
}

/// What came so far of these messages, of which so many are let in at a time.
async fn enter<'a>(
    service: &Service,
    named: Vec<&'a (usize, Named)>,
    at_once: usize,
    admitted: &Admitted,
) -> Vec<(&'a (usize, Named), Entered)> {
    let mut entering = Vec::with_capacity(named.len());
    for one in named {
        entering.push(enter_one(service, one, admitted));
    }
    futures_util::stream::iter(entering).buffer_unordered(at_once).collect().await
}

async fn enter_one<'a>(
    service: &Service,
    one: &'a (usize, Named),
    admitted: &Admitted,
) -> (&'a (usize, Named), Entered) {
    let (_, named) = one;
    (one, intake::enter(service, named.incoming(), named.kind, admitted).await)
}

async fn store_one<'a>(
    service: &Service,
    (index, named): &'a (usize, Named),
    entered: Entered,
) -> (usize, &'a DeviceId, Taken) {
    (*index, &named.device, intake::store(service, named.incoming(), named.kind, entered).await)
}

fn answer(told: &BTreeMap<usize, Told>) -> Response {
    let results: Vec<Value> = told.iter().map(|(index, told)| of_one(*index, told)).collect();
    let accepted = told.values().filter(|told| told.result.is_ok()).count();
    let rejected = told.len() - accepted;
    if accepted > 0 {
        let body = json!({ "accepted": accepted, "rejected": rejected, "results": results });
        return (StatusCode::ACCEPTED, Json(body)).into_response();
    }
    let may_heal = told.values().any(|told| told.result.as_ref().is_err_and(is_worth_sending_again));
    let problem = match may_heal {
        true => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "NONE_ACCEPTED",
            "none of the messages is known to be stored; send again those that say so in results",
        )
        .retry_after(Duration::from_secs(2)),
        false => Problem::new(
            StatusCode::BAD_REQUEST,
            "NONE_ACCEPTED",
            "none of the messages was accepted; results says why",
        ),
    };
    problem.member("accepted", 0).member("rejected", rejected).member("results", results).into_response()
}

fn of_one(index: usize, told: &Told) -> Value {
    match &told.result {
        Ok(Accepted { seq, is_duplicate }) => {
            let mut one =
                json!({ "index": index, "status": "accepted", "device_id": told.device, "seq": seq });
            if let (true, Some(one)) = (*is_duplicate, one.as_object_mut()) {
                one.insert("duplicate".to_owned(), true.into());
            }
            one
        }
        Err(problem) => json!({
            "index": index, "status": "rejected", "device_id": told.device, "reason": problem.code(),
            "send_again": is_worth_sending_again(problem),
        }),
    }
}

fn is_worth_sending_again(problem: &Problem) -> bool {
    problem.status() == StatusCode::TOO_MANY_REQUESTS || problem.status().is_server_error()
}
