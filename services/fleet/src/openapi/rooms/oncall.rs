//! Schedules, and who is on call.

use crate::oncall::rotation::Rotation;
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{
    about, day, few, id, line, list, object, or_null, page, text, time, whole, with, word,
};
use serde_json::Value;

const TAG: &str = "oncall";
const PATH: &str = "/customer/oncall/schedules";
const ONE: &str = "/customer/oncall/schedules/{id}";
const STAND: &str = "/customer/oncall/schedules/{id}/overrides";

pub(super) fn all() -> Vec<Described> {
    let mut all = vec![
        tenant(TAG, "get", PATH, "listSchedules", "A page of the schedules").paged(1000).gives(
            200,
            "The page.",
            page("schedules", schedule()),
        ),
        tenant(TAG, "post", PATH, "createSchedule", "Makes a schedule").takes(body()).gives(
            201,
            "The schedule.",
            schedule(),
        ),
        one("get", ONE, "getSchedule", "A schedule").gives(200, "It.", schedule()),
        one("put", ONE, "putSchedule", "The schedule anew; layers of which nothing is said stay")
            .takes(body())
            .gives(200, "The schedule as it is then.", schedule()),
        one("delete", ONE, "deleteSchedule", "Deletes a schedule that no policy asks")
            .gives_nothing("It is gone."),
    ];
    all.extend(turns());
    all.extend(overrides());
    all
}

fn one(method: &'static str, path: &'static str, name: &'static str, summary: &'static str) -> Described {
    tenant(TAG, method, path, name, summary).part("id", id()).refused(&[404])
}

fn layer(order: Value) -> [(&'static str, Value); 7] {
    [
        ("layer_order", order),
        ("rotation", word(Rotation::ALL.map(Rotation::as_str))),
        ("shift_duration_hours", whole(1, 8_784)),
        ("handoff_day", about(whole(0, 6), "0 is Sunday.")),
        ("handoff_hour", whole(0, 23)),
        ("starts_on", day()),
        ("responders", few(line(200), 100)),
    ]
}

fn body() -> Value {
    let [order, rotation, hours, handoff_day, hour, starts, responders] = layer(whole(0, 100));
    let possible =
        [order, rotation, hours, handoff_day, hour, starts].map(|(name, form)| (name, or_null(form)));
    let layer = with([responders], possible);
    with(
        [("name", line(200))],
        [
            ("description", or_null(line(1000))),
            ("timezone", or_null(about(text(), "A name such as Europe/Berlin; UTC where nothing is said."))),
            ("layers", or_null(few(layer, 20))),
        ],
    )
}

fn schedule() -> Value {
    object([
        ("schedule_id", id()),
        ("name", text()),
        ("description", or_null(text())),
        ("timezone", text()),
        ("layers", list(object(layer(whole(0, 100))))),
        ("created_at", time()),
        ("updated_at", time()),
    ])
}

fn turns() -> [Described; 2] {
    let now = object([
        ("schedule_id", id()),
        ("at", time()),
        ("responder", or_null(text())),
        ("layer", or_null(whole(0, 100))),
        ("override_id", or_null(id())),
        ("until", or_null(time())),
    ]);
    let turn = object([
        ("from", time()),
        ("until", or_null(time())),
        ("responder", text()),
        ("layer", or_null(whole(0, 100))),
        ("override_id", or_null(id())),
    ]);
    let line = object([("schedule_id", id()), ("from", time()), ("to", time()), ("turns", list(turn))]);
    [
        one(
            "get",
            "/customer/oncall/schedules/{id}/current",
            "whoIsOnCall",
            "Who is on call, and until when",
        )
        .query("at", time())
        .gives(200, "Who; null where nobody is.", now),
        one(
            "get",
            "/customer/oncall/schedules/{id}/timeline",
            "whoWillBeOnCall",
            "Who is on call, turn by turn",
        )
        .query("at", time())
        .query("days", whole(1, 60))
        .gives(200, "The turns.", line),
    ]
}

fn overrides() -> [Described; 3] {
    let body = with(
        [("responder", line(200)), ("start", time()), ("end", time())],
        [("layer_order", or_null(whole(0, 100))), ("reason", or_null(line(1000)))],
    );
    let stand = object([
        ("override_id", id()),
        ("layer_order", or_null(whole(0, 100))),
        ("responder", text()),
        ("start", time()),
        ("end", time()),
        ("reason", or_null(text())),
    ]);
    [
        one("get", STAND, "listOverrides", "Who stands in, as far as it is not over").gives(
            200,
            "They.",
            object([("overrides", list(stand))]),
        ),
        one("post", STAND, "addOverride", "Somebody stands in").takes(body).gives(
            201,
            "It is written down.",
            object([("override_id", id()), ("schedule_id", id())]),
        ),
        one(
            "delete",
            "/customer/oncall/schedules/{id}/overrides/{override}",
            "deleteOverride",
            "Nobody stands in there any more",
        )
        .part("override", id())
        .gives_nothing("It is gone."),
    ]
}
