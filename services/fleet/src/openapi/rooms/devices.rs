//! Devices and their tokens.

use crate::devices::DeviceStatus;
use crate::devices::draft::{MOST_TAGS, TEXTS};
use crate::devices::state::DeviceState;
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema;
use crate::openapi::schema::{
    about, and, count, few, like, line, list, metrics, object, one_of, or_null, page, text, time, uuid, with,
    word,
};
use serde_json::{Value, json};

const TAG: &str = "devices";

/// The form of a device's id.
pub(super) const DEVICE_ID: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$";

pub(super) fn all() -> Vec<Described> {
    let mut all = vec![
        lists(),
        tenant(TAG, "post", "/customer/devices", "createDevice", "Registers a device")
            .takes(with([("device_id", like(DEVICE_ID))], taken(true)))
            .gives(201, "The device with its token, which is told this once.", created())
            .refused(&[404, 409]),
        imports(),
        tenant(
            TAG,
            "get",
            "/customer/devices/summary",
            "countDevices",
            "How many devices there are in each state",
        )
        .gives(200, "They.", summary()),
        tenant(TAG, "get", "/customer/devices/{device}", "getDevice", "A device with its newest reading")
            .gives(200, "The device.", whole())
            .refused(&[404]),
        tenant(TAG, "patch", "/customer/devices/{device}", "changeDevice", "Changes what the body names")
            .takes(with([], taken(false)))
            .gives(200, "The device as it is then.", shown(false))
            .refused(&[404]),
        tenant(TAG, "delete", "/customer/devices/{device}", "deleteDevice", "Deletes a device")
            .gives(200, "It is deleted.", object([("device_id", text()), ("status", word(["deleted"]))]))
            .refused(&[404]),
        tenant(
            TAG,
            "patch",
            "/customer/devices/{device}/decommission",
            "putDeviceAside",
            "Puts a device aside",
        )
        .gives(200, "It is put aside.", aside())
        .refused(&[404]),
    ];
    all.extend(tokens());
    all
}

fn lists() -> Described {
    let states = DeviceState::ALL.map(DeviceState::as_str);
    let statuses = statuses();
    tenant(TAG, "get", "/customer/devices", "listDevices", "A page of the tenant's devices, by their ids")
        .query("status", word(statuses.into_iter().filter(|one| *one != "DELETED").chain(states)))
        .query("state", word(states))
        .query("site_id", line(128))
        .query("search", about(line(200), "In the id and in the name, in any case."))
        .query("tag", about(line(64), "It may be said several times; a device has to have all of them."))
        .query("tags", about(text(), "Several, with commas between them."))
        .paged(1000)
        .gives(200, "The page.", page("devices", shown(false)))
}

fn imports() -> Described {
    let file = about(text(), "CSV with a head that names at least name and device_type; up to 500 rows.");
    let row = |status, device| [("row", count()), ("device_id", device), ("status", word([status]))];
    let [number, device, status] = row("imported", text());
    let imported = object([number, device, status, ("client_id", text()), ("provision_token", text())]);
    let [number, device, status] = row("failed", or_null(text()));
    let failed = object([number, device, status, ("code", text()), ("detail", text())]);
    let row = one_of([imported, failed]);
    let counts = [("total", count()), ("imported", count()), ("failed", count()), ("results", list(row))];
    tenant(
        TAG,
        "post",
        "/customer/devices/import",
        "importDevices",
        "Registers the devices of a file, row by row",
    )
    .takes_as(&["text/csv"], &file, true)
    .gives(200, "What became of each row, with the token of each new device.", object(counts))
}

fn statuses() -> [&'static str; 6] {
    DeviceStatus::ALL.map(DeviceStatus::as_str)
}

/// What is said of a device, in the body that registers one or changes one.
fn taken(is_new: bool) -> [(&'static str, Value); 9] {
    let texts = TEXTS.map(|(name, most)| (name, or_null(line_or_more(most))));
    let [name, device_type, model, manufacturer, serial, notes] = texts;
    let subscription = if is_new { or_null(text()) } else { json!({ "type": "null" }) };
    [
        name,
        device_type,
        model,
        manufacturer,
        serial,
        notes,
        ("site_id", or_null(line(128))),
        ("subscription_id", subscription),
        ("tags", or_null(few(line_or_more(64), MOST_TAGS))),
    ]
}

/// A text in which there may be several lines.
pub(super) fn line_or_more(most: usize) -> Value {
    let pattern = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": pattern })
}

fn created() -> Value {
    object([
        ("device_id", text()),
        ("site_id", text()),
        ("status", word(["ACTIVE"])),
        ("subscription_id", or_null(text())),
        ("tags", list(text())),
        ("client_id", text()),
        ("provision_token", text()),
    ])
}

/// A device as it is listed.
fn shown(has_reading: bool) -> Value {
    let device = object([
        ("device_id", text()),
        ("site_id", text()),
        ("status", word(statuses())),
        ("subscription_id", or_null(text())),
        ("name", or_null(text())),
        ("device_type", or_null(text())),
        ("model", or_null(text())),
        ("manufacturer", or_null(text())),
        ("serial", or_null(text())),
        ("notes", or_null(text())),
        ("tags", list(text())),
        ("created_at", time()),
        ("updated_at", time()),
        ("decommissioned_at", or_null(time())),
        ("state", word(DeviceState::ALL.map(DeviceState::as_str))),
        ("last_seen_at", or_null(time())),
    ]);
    let reading =
        object([("ts", time()), ("seq", schema::whole(i64::MIN, i64::MAX)), ("metrics", metrics())]);
    if has_reading { and(device, "last_reading", or_null(reading)) } else { device }
}

fn whole() -> Value {
    shown(true)
}

fn summary() -> Value {
    object([("total", count()), ("ONLINE", count()), ("STALE", count()), ("OFFLINE", count())])
}

fn aside() -> Value {
    object([("device_id", text()), ("status", word(["INACTIVE"])), ("decommissioned_at", or_null(time()))])
}

fn tokens() -> [Described; 3] {
    let token = object([
        ("token_id", uuid()),
        ("client_id", text()),
        ("label", text()),
        ("created_at", time()),
        ("revoked_at", or_null(time())),
    ]);
    let new = object([
        ("device_id", text()),
        ("token_id", uuid()),
        ("client_id", text()),
        ("provision_token", text()),
    ]);
    [
        tenant(
            TAG,
            "get",
            "/customer/devices/{device}/tokens",
            "listTokens",
            "What a device was given, without secrets",
        )
        .gives(200, "They.", object([("tokens", list(token))]))
        .refused(&[404]),
        tenant(
            TAG,
            "post",
            "/customer/devices/{device}/tokens/rotate",
            "rotateToken",
            "A new token; those before do not count any more",
        )
        .gives(201, "The token, which is told this once.", new)
        .refused(&[404]),
        tenant(TAG, "delete", "/customer/devices/{device}/tokens/{token}", "revokeToken", "Revokes a token")
            .gives_nothing("It is revoked.")
            .refused(&[404]),
    ]
}
