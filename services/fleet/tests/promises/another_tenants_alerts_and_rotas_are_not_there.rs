//! With another tenant's token there is nothing of what this tenant has made: each path answers as for what does not exist,
//! and nothing is changed.

use crate::asking::{OTHER, ask, ask_as, content, other_tenant};
use crate::service;
use serde_json::json;

const TABLES: [&str; 5] =
    ["escalation_policies", "escalation_levels", "oncall_schedules", "oncall_layers", "oncall_overrides"];

#[tokio::test]
async fn nor_changed_by_asking() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    let make = async |path: &str, body| {
        let made = ask(&fleet.device, "POST", path, Some(body)).await;
        assert_eq!(made.status, 201, "{path}: {made:?}");
        made.body
    };
    let schedules = "/api/v1/customer/oncall/schedules";
    let schedule = make(schedules, json!({ "name": "s", "layers": [{ "responders": ["ann"] }] })).await;
    let schedule_id = schedule["schedule_id"].clone();
    let own = format!("{schedules}/{schedule_id}");
    let stand = json!({ "responder": "eve", "start": "2030-01-01T00:00:00Z", "end": "2030-01-02T00:00:00Z" });
    let stands = make(&format!("{own}/overrides"), stand.clone()).await["override_id"].clone();
    let policies = "/api/v1/customer/escalation-policies";
    let levels =
        json!({ "name": "p", "is_default": true, "levels": [{ "oncall_schedule_id": schedule_id }] });
    let policy = format!("{policies}/{}", make(policies, levels.clone()).await["policy_id"]);

    let before = content(&fleet, &TABLES).await;
    let bodies = [
        ("GET", own.clone(), None),
        ("PUT", own.clone(), Some(json!({ "name": "taken", "layers": [] }))),
        ("DELETE", own.clone(), None),
        ("GET", format!("{own}/current"), None),
        ("GET", format!("{own}/timeline"), None),
        ("GET", format!("{own}/overrides"), None),
        ("POST", format!("{own}/overrides"), Some(stand)),
        ("DELETE", format!("{own}/overrides/{stands}"), None),
        ("GET", policy.clone(), None),
        ("PUT", policy.clone(), Some(json!({ "name": "taken", "is_default": true, "levels": [] }))),
        ("DELETE", policy.clone(), None),
    ];
    for (method, path, body) in bodies {
        let body = body.map(|body| body.to_string());
        let theirs = ask_as(&fleet.device, Some(OTHER), method, &path, body.clone()).await;
        theirs.refused(404, "NOT_FOUND");
        // As for what there is not at all.
        let nowhere = path
            .replace(&format!("/{schedule_id}"), "/987654")
            .replace(&policy, &format!("{policies}/987654"));
        let none = ask_as(&fleet.device, Some(OTHER), method, &nowhere, body.clone()).await;
        assert_eq!(
            (none.status, &none.body["title"]),
            (theirs.status, &theirs.body["title"]),
            "{method} {path}"
        );
        for token in [None, Some("other.wrong"), Some("test.token")] {
            assert_eq!(
                ask_as(&fleet.device, token, method, &path, body.clone()).await.status,
                401,
                "{method} {path}"
            );
        }
    }
    for path in [schedules, policies] {
        let listed = ask_as(&fleet.device, Some(OTHER), "GET", path, None).await;
        assert_eq!(listed.status, 200);
        let lists = listed.body.as_object().unwrap().values().filter_map(|list| list.as_array());
        assert_eq!(lists.map(Vec::len).sum::<usize>(), 0, "{listed:?}");
    }
    // Its own policy cannot ask this tenant's schedule.
    let asks = ask_as(&fleet.device, Some(OTHER), "POST", policies, Some(levels.to_string())).await;
    asks.refused(400, "UNKNOWN_SCHEDULE");
    assert_eq!(content(&fleet, &TABLES).await, before);
}
