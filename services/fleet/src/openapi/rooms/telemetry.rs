//! Readings.

use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, also, id, like, line, list, metrics, number, object, one_of, page, text, time, whole, word,
};
use crate::telemetry::query::Format;
use serde_json::{Value, json};

const TAG: &str = "telemetry";

/// The form of up to fifty ids of devices.
const DEVICE_IDS: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}(,[A-Za-z0-9][A-Za-z0-9._:-]{0,127}){0,49}$";

pub(super) fn all() -> Vec<Described> {
    vec![read(), export(), newest()]
}

fn instant(what: &str) -> Value {
    let instant = about(text(), &format!("{what}; without a zone it is UTC, and a day is its midnight."));
    also(instant, "examples", json!(["2025-06-15T12:00:00Z", "2025-06-15"]))
}

fn read() -> Described {
    let reading = object([("ts", time()), ("seq", whole(i64::MIN, i64::MAX)), ("metrics", metrics())]);
    let point = object([
        ("ts", time()),
        ("metric", text()),
        ("min", number()),
        ("avg", number()),
        ("max", number()),
        ("count", id()),
    ]);
    let chart = object([("bucket_seconds", whole(1, 2_764_800)), ("points", list(point))]);
    let bucket = about(
        like("^[1-9][0-9]{0,8}[smhd]$"),
        "The width of a bucket, such as 5m: then the answer has the least, mean and greatest of each metric by bucket, the \
         oldest first, and no pages.",
    );
    tenant(
        TAG,
        "get",
        "/customer/devices/{device}/telemetry",
        "readTelemetry",
        "A page of readings, the newest first; or metrics by bucket",
    )
    .query("from", instant("The beginning"))
    .query("to", instant("The end, which is not in it"))
    .query("bucket", bucket)
    .query("metric", about(line(128), "Only this metric, with bucket."))
    .paged(1000)
    .gives(200, "The page, or the buckets.", one_of([page("items", reading), chart]))
    .refused(&[404])
}

fn newest() -> Described {
    let reading = object([
        ("device_id", text()),
        ("ts", time()),
        ("seq", whole(i64::MIN, i64::MAX)),
        ("metrics", metrics()),
    ]);
    let devices = about(like(DEVICE_IDS), "1 to 50 ids with commas between them.");
    tenant(
        TAG,
        "get",
        "/customer/last-readings",
        "lastReadings",
        "The newest reading of each of these devices",
    )
    .needs_query("devices", devices)
    .gives(200, "Those that there are, by the devices' ids.", object([("readings", list(reading))]))
}

fn export() -> Described {
    let file = || about(text(), "Streamed; it breaks off where the database fails.");
    tenant(
        TAG,
        "get",
        "/customer/devices/{device}/telemetry/export",
        "exportTelemetry",
        "The readings of a range as a file, the oldest first",
    )
    .query("from", instant("The beginning"))
    .query("to", instant("The end, which is not in it"))
    .query("format", word(["csv", "ndjson"]))
    .gives_as(200, "The file.", &[(Format::Csv.media_type(), file()), (Format::Ndjson.media_type(), file())])
    .refused(&[404])
}
