//! `/current` tells who is on call and until when: by weeks, by time zones, with hour 0 and Sunday as they were said, and by
//! those who stand in.

use crate::asking::ask;
use crate::service::{self, Answer, Fleet};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/oncall/schedules";

async fn make(fleet: &Fleet, body: Value) -> String {
    let made = ask(&fleet.device, "POST", PATH, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    format!("{PATH}/{}", made.body["schedule_id"])
}

async fn get(fleet: &Fleet, path: &str) -> Answer {
    let answer = ask(&fleet.device, "GET", path, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn at(fleet: &Fleet, own: &str, time: &str) -> (Value, Value) {
    let body = get(fleet, &format!("{own}/current?at={time}")).await.body;
    (body["responder"].clone(), body["until"].clone())
}

#[tokio::test]
async fn by_weeks_from_sunday_midnight() {
    let fleet = service::start().await;
    let layer = json!({ "handoff_day": 0, "handoff_hour": 0, "starts_on": "2026-01-04", "responders": ["ann", "bob", "cy"] });
    let own =
        make(&fleet, json!({ "name": "weeks", "timezone": "America/New_York", "layers": [layer] })).await;
    let stored = get(&fleet, &own).await.body["layers"][0].clone();
    assert_eq!((&stored["handoff_day"], &stored["handoff_hour"]), (&0.into(), &0.into()));
    for (time, who) in [
        ("2026-01-04T05:00:00Z", "ann"),
        ("2026-01-11T04:59:59Z", "ann"),
        ("2026-01-11T05:00:00Z", "bob"),
        ("2026-01-18T05:00:00Z", "cy"),
        ("2026-01-25T05:00:00Z", "ann"),
        // Summer time, half a year later: 26 weeks, and 26 % 3 = 2.
        ("2026-07-05T03:59:59Z", "bob"),
        ("2026-07-05T04:00:00Z", "cy"),
    ] {
        assert_eq!(at(&fleet, &own, time).await.0, who, "{time}");
    }
    assert_eq!(at(&fleet, &own, "2026-01-11T05:00:00Z").await.1, "2026-01-18T05:00:00Z");
    // What is not said has its default, and 0 is not that.
    let own = make(&fleet, json!({ "name": "usual", "layers": [{ "responders": ["ann"] }] })).await;
    let stored = get(&fleet, &own).await.body;
    let layer = &stored["layers"][0];
    assert_eq!((&layer["handoff_day"], &layer["handoff_hour"]), (&1.into(), &9.into()));
    assert_eq!((&layer["shift_duration_hours"], &layer["rotation"]), (&168.into(), &"weekly".into()));
    assert_eq!(stored["timezone"], "UTC");
}

#[tokio::test]
async fn by_who_stands_in() {
    let fleet = service::start().await;
    let body =
        json!({ "name": "s", "layers": [{ "rotation": "daily", "handoff_hour": 0, "responders": ["ann"] }] });
    let own = make(&fleet, body.clone()).await;
    let overrides = format!("{own}/overrides");
    let stand = |who: &str, layer: Value| {
        json!({ "responder": who, "start": "2030-01-01T10:00:00+01:00", "end": "2030-01-01T12:00:00Z", "layer_order": layer,
                "reason": "leave" })
    };
    let made = ask(&fleet.device, "POST", &overrides, Some(stand("eve", json!(0)))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let inside = async |time: &str| at(&fleet, &own, time).await;
    assert_eq!(inside("2030-01-01T08:59:59Z").await, ("ann".into(), "2030-01-01T09:00:00Z".into()));
    assert_eq!(inside("2030-01-01T09:00:00Z").await, ("eve".into(), "2030-01-01T12:00:00Z".into()));
    assert_eq!(inside("2030-01-01T12:00:00Z").await, ("ann".into(), "2030-01-02T00:00:00Z".into()));
    // It stays when the layers are written anew.
    assert_eq!(ask(&fleet.device, "PUT", &own, Some(body)).await.status, 200);
    assert_eq!(inside("2030-01-01T09:00:00Z").await.0, "eve");
    let timeline = get(&fleet, &format!("{own}/timeline?at=2030-01-01T00:00:00Z&days=2")).await.body;
    let turns: Vec<_> =
        timeline["turns"].as_array().unwrap().iter().map(|turn| turn["responder"].clone()).collect();
    assert_eq!(turns, ["ann", "eve", "ann"]);
    let listed = get(&fleet, &overrides).await.body["overrides"].clone();
    assert_eq!((&listed[0]["reason"], &listed[0]["layer_order"]), (&"leave".into(), &0.into()), "{listed}");
    let one = format!("{overrides}/{}", made.body["override_id"]);
    assert_eq!(ask(&fleet.device, "DELETE", &one, None).await.status, 204);
    ask(&fleet.device, "DELETE", &one, None).await.refused(404, "NOT_FOUND");
    assert_eq!(inside("2030-01-01T09:00:00Z").await.0, "ann");
}

#[tokio::test]
async fn nobody_is_told_as_null_and_a_schedule_that_is_asked_stays() {
    let fleet = service::start().await;
    let own = make(&fleet, json!({ "name": "empty" })).await;
    let told = get(&fleet, &format!("{own}/current")).await.body;
    assert_eq!((&told["responder"], &told["until"]), (&Value::Null, &Value::Null));
    let id = get(&fleet, &own).await.body["schedule_id"].clone();
    let policies = "/customer/escalation-policies";
    let body = json!({ "name": "p", "levels": [{ "oncall_schedule_id": id }] });
    let policy = ask(&fleet.device, "POST", policies, Some(body)).await;
    assert_eq!(policy.status, 201, "{policy:?}");
    ask(&fleet.device, "DELETE", &own, None).await.refused(409, "SCHEDULE_IN_USE");
    let path = format!("{policies}/{}", policy.body["policy_id"]);
    assert_eq!(ask(&fleet.device, "DELETE", &path, None).await.status, 204);
    let gone = ask(&fleet.device, "DELETE", &path, None).await;
    gone.refused(404, "NOT_FOUND");
    assert_eq!(gone.body["title"], "Not found");
    assert_eq!(ask(&fleet.device, "DELETE", &own, None).await.status, 204);
    ask(&fleet.device, "GET", &own, None).await.refused(404, "NOT_FOUND");
    let body = json!({ "name": "p", "levels": [{}, { "oncall_schedule_id": id }] });
    ask(&fleet.device, "POST", policies, Some(body)).await.refused(400, "UNKNOWN_SCHEDULE");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_policies").await, 0);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_levels").await, 0);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let fleet = service::start().await;
    let own = make(&fleet, json!({ "name": "s", "layers": [{ "responders": ["ann"] }] })).await;
    let layer = |layer: Value| json!({ "name": "s", "layers": [layer] });
    let bad = [
        (json!({}), "BAD_BODY"),
        (json!([]), "BAD_BODY"),
        (json!({ "name": "s", "layrs": [] }), "BAD_BODY"),
        (json!({ "name": "" }), "INVALID_SCHEDULE"),
        (json!({ "name": "a\u{0}b" }), "INVALID_SCHEDULE"),
        (json!({ "name": "s", "timezone": "Mars/Olympus" }), "UNKNOWN_TIMEZONE"),
        (json!({ "name": "s", "timezone": "" }), "UNKNOWN_TIMEZONE"),
        (layer(json!({})), "BAD_BODY"),
        (layer(json!({ "responders": [], "handoff_day": 7 })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "handoff_day": -1 })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "handoff_hour": 24 })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "handoff_hour": 1.5 })), "BAD_BODY"),
        (layer(json!({ "responders": [], "shift_duration_hours": 0 })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "rotation": "hourly" })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "starts_on": "2026-02-30" })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": ["\n"] })), "INVALID_SCHEDULE"),
        (layer(json!({ "responders": [], "layer_order": 101 })), "INVALID_SCHEDULE"),
        (
            json!({ "name": "s", "layers": [{ "responders": [] }, { "responders": [], "layer_order": 0 }] }),
            "INVALID_SCHEDULE",
        ),
    ];
    for (body, code) in bad {
        ask(&fleet.device, "POST", PATH, Some(body.clone())).await.refused(400, code);
        ask(&fleet.device, "PUT", &own, Some(body)).await.refused(400, code);
    }
    let stand = |start: &str, end: &str| json!({ "responder": "eve", "start": start, "end": end });
    for (start, end) in [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "2026-01-02"),
        ("2026-01-01T00:00:00Z", "9999-01-01T00:00:00Z"),
    ] {
        let answer = ask(&fleet.device, "POST", &format!("{own}/overrides"), Some(stand(start, end))).await;
        answer.refused(400, "INVALID_SCHEDULE");
    }
    for id in ["0", "-1", "abc", "1.0", "99999999999999999999", "%00"] {
        ask(&fleet.device, "GET", &format!("{PATH}/{id}"), None).await.refused(400, "INVALID_ID");
        ask(&fleet.device, "DELETE", &format!("{PATH}/{id}"), None).await.refused(400, "INVALID_ID");
    }
    ask(&fleet.device, "GET", &format!("{own}/current?at=tomorrow"), None).await.refused(400, "INVALID_TIME");
    ask(&fleet.device, "GET", &format!("{own}/timeline?days=61"), None).await.refused(400, "INVALID_QUERY");
    ask(&fleet.device, "GET", &format!("{own}/timeline?days=x"), None).await.refused(400, "INVALID_QUERY");
    let levels = |level: Value| json!({ "name": "p", "levels": [level] });
    for body in [
        json!({ "name": "" }),
        levels(json!({ "level_number": 0 })),
        levels(json!({ "level_number": 6 })),
        levels(json!({ "delay_minutes": -1 })),
        levels(json!({ "notify_email": "no address" })),
        levels(json!({ "notify_webhook": "ftp://example.com" })),
        json!({ "name": "p", "levels": [{ "level_number": 2 }, {}] }),
    ] {
        ask(&fleet.device, "POST", "/customer/escalation-policies", Some(body))
            .await
            .refused(400, "INVALID_POLICY");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM oncall_schedules").await, 1);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM escalation_policies").await, 0);
}
