//! What devices send.

use super::devices::DEVICE_ID;
use crate::openapi::operation::{Described, device};
use crate::openapi::schema::{
    about, also, count, flag, like, line, list, metrics, object, one_of, or_null, text, time, whole, with,
    word,
};
use serde_json::{Value, json};

/// The form of a tenant's id.
pub(super) const TENANT_ID: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

pub(super) fn all() -> Vec<Described> {
    let telemetry = |path, name| one(path, name, "Stores a reading", "It is stored.").takes(reading());
    let heartbeat =
        |path, name| one(path, name, "Notes that the device is there", "It is noted.").may_take(heartbeat());
    vec![
        telemetry("/ingest/v1/tenant/{tenant}/device/{device}/telemetry", "sendReading"),
        telemetry("/ingest/tenant/{tenant}/device/{device}/telemetry", "sendReadingAlso"),
        heartbeat("/ingest/v1/tenant/{tenant}/device/{device}/heartbeat", "sendHeartbeat"),
        heartbeat("/ingest/tenant/{tenant}/device/{device}/heartbeat", "sendHeartbeatAlso"),
        batch(),
    ]
}

fn one(path: &'static str, name: &'static str, summary: &'static str, what: &str) -> Described {
    let accepted = with(
        [("status", word(["accepted"])), ("device_id", text()), ("seq", whole(i64::MIN, i64::MAX))],
        [("duplicate", flag())],
    );
    device(path, name, summary)
        .part("tenant", like(TENANT_ID))
        .part("device", like(DEVICE_ID))
        .gives(202, what, accepted)
}

fn envelope() -> [(&'static str, Value); 4] {
    [("version", word(["1"])), ("ts", time()), ("seq", whole(0, i64::MAX)), ("site_id", line(128))]
}

/// Metrics as they are taken.
fn taken() -> Value {
    let names = also(line(128), "not", word(["version", "ts", "seq", "site_id", "metrics"]));
    let taken = also(also(metrics(), "minProperties", 1), "maxProperties", 50);
    also(taken, "propertyNames", names)
}

/// Numbers and truth values by their names; or an envelope around them.
fn reading() -> Value {
    let [version, ts, seq, site] = envelope();
    let enveloped = with([("metrics", taken())], [version, ts, seq, site]);
    let enveloped = also(enveloped, "additionalProperties", true);
    about(
        json!({ "anyOf": [enveloped, taken()] }),
        "Metrics by their names; or an envelope with them, whose other fields are not kept.",
    )
}

fn heartbeat() -> Value {
    with([], envelope())
}

fn batch() -> Described {
    let message = json!({
        "type": "object",
        "required": ["tenant_id", "device_id"],
        "properties": {
            "tenant_id": like(TENANT_ID),
            "device_id": like(DEVICE_ID),
            "provision_token": text(),
            "msg_type": word(["telemetry", "heartbeat"]),
            "metrics": { "type": "object" },
        },
    });
    let messages = json!({ "type": "array", "items": message, "minItems": 1, "maxItems": 100 });
    let body = json!({ "type": "object", "required": ["messages"], "properties": { "messages": messages } });
    let named = |status| [("index", count()), ("status", word([status])), ("device_id", or_null(text()))];
    let [index, status, id] = named("accepted");
    let accepted = with([index, status, id, ("seq", whole(i64::MIN, i64::MAX))], [("duplicate", flag())]);
    let [index, status, id] = named("rejected");
    let rejected = object([index, status, id, ("reason", text()), ("send_again", flag())]);
    let told = one_of([accepted, rejected]);
    let answer = object([("accepted", count()), ("rejected", count()), ("results", list(told))]);
    device("/ingest/v1/batch", "sendBatch", "Stores 1 to 100 messages, each of which has its own fate")
        .takes(body)
        .gives(202, "At least one is stored.", answer)
}
