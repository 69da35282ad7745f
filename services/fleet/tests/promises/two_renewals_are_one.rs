//! A subscription is renewed in one transaction under its lock: the same request twice succeeds twice and counts once, devices
//! are put aside once, and what a key was used for is done once.

use crate::asking::{Ask, all_at_once, created, delete, post, text, with_status};
use crate::boundaries::{all_or_nothing, install};
use crate::service::{self, Answer, Fleet};
use reqwest::Method;
use serde_json::{Value, json};

const RENEW: &str = "/customer/subscription/renew";
const COUNT: &str = "SELECT sum(active_device_count) AS n FROM subscriptions";
const DAYS_LEFT: &str = "SELECT extract(day FROM term_end - now())::bigint AS n FROM subscriptions WHERE subscription_type = 'MAIN'";

fn events(kind: &str) -> String {
    format!("SELECT count(*) AS n FROM subscription_event_log WHERE event_type = '{kind}'")
}

/// A service whose subscription ends in ten days and has these devices; and the subscription's id.
async fn due(devices: &[&str]) -> (Fleet, String) {
    let fleet = service::start().await;
    for device in devices {
        created(&fleet, device).await;
    }
    fleet.database.execute("UPDATE subscriptions SET term_end = now() + interval '10 days'").await.unwrap();
    let id = text(&fleet, "SELECT subscription_id AS s FROM subscriptions").await;
    (fleet, id)
}

async fn renew_with(fleet: &Fleet, key: &str, body: &Value) -> Answer {
    let ask = Ask::new(fleet, Method::POST, RENEW).header("Idempotency-Key", key);
    ask.body(body.to_string()).send().await
}

#[tokio::test]
async fn the_second_one_is_told_that_it_is_in_force() {
    let (fleet, id) = due(&[]).await;
    let body = json!({"subscription_id": id});
    let first = post(&fleet, "/api/v1/subscription/renew", &body).await;
    assert_eq!(
        (first.status, &first.body["renewed"], &first.body["note"]),
        (200, &true.into(), &Value::Null),
        "{first:?}"
    );
    assert_eq!(fleet.number(DAYS_LEFT).await, 10 + 365 - 1);
    let second = post(&fleet, "/subscription/renew", &body).await;
    assert_eq!(second.status, 200);
    assert_eq!(second.body, json!({"subscription_id": id, "renewed": true, "note": "Already active"}));
    assert_eq!((fleet.number(DAYS_LEFT).await, fleet.number(&events("RENEWED")).await), (374, 1));
}

#[tokio::test]
async fn one_that_is_not_there_is_404() {
    let (fleet, _) = due(&[]).await;
    let theirs = "INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
        INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, term_end)
        VALUES ('other', 'SUB-20250101-00077', 'MAIN', 5, now() + interval '1 day')";
    fleet.database.execute(theirs).await.unwrap();
    for id in ["SUB-20000101-00001", "SUB-20250101-00077", "nothing", "\u{0}"] {
        let answer = post(&fleet, RENEW, &json!({"subscription_id": id})).await;
        answer.refused(404, "SUBSCRIPTION_NOT_FOUND");
        assert_eq!(answer.body["title"], "Subscription not found");
    }
    fleet
        .device
        .get("/customer/subscriptions/SUB-20250101-00077")
        .await
        .refused(404, "SUBSCRIPTION_NOT_FOUND");
    let still = "SELECT count(*) AS n FROM subscriptions WHERE tenant_id = 'other' AND term_end < now() + interval '2 days'";
    assert_eq!(fleet.number(still).await, 1);
}

#[tokio::test]
async fn fifty_at_once_put_devices_aside_once() {
    let (fleet, id) = due(&["a", "b", "c"]).await;
    let body =
        json!({"subscription_id": id, "devices_to_deactivate": ["b", "a", "b"], "new_device_limit": 1});
    let ask = Ask::new(&fleet, Method::POST, RENEW).body(body.to_string());
    let answers = all_at_once((0..50).map(|_| ask.clone().send())).await;
    assert_eq!(with_status(&answers, 200), 50, "{answers:?}");
    let renewed: Vec<&Answer> = answers.iter().filter(|answer| answer.body["note"].is_null()).collect();
    assert_eq!((renewed.len(), &renewed[0].body["devices_deactivated"]), (1, &json!(2)));
    for repeat in answers.iter().filter(|answer| !answer.body["note"].is_null()) {
        assert!(repeat.body["not_changed"].is_null(), "what it asks for is so already: {repeat:?}");
    }
    assert_eq!((fleet.number(COUNT).await, fleet.number(&events("DEVICE_REMOVED")).await), (1, 2));
    assert_eq!((fleet.number(&events("RENEWED")).await, fleet.number(DAYS_LEFT).await), (1, 374));
    let aside = "SELECT count(*) AS n FROM device_registry WHERE status = 'INACTIVE'";
    assert_eq!(fleet.number(aside).await, 2);
}

/// Renewals and deletes of the same devices lock in one order, and each device is counted once.
#[tokio::test]
async fn a_device_that_is_deleted_meanwhile_is_counted_once() {
    let (fleet, id) = due(&["a", "b", "c", "d"]).await;
    let body = json!({"subscription_id": id, "devices_to_deactivate": ["a", "b"]});
    let renew = post(&fleet, RENEW, &body);
    let (renewed, deleted) = tokio::join!(renew, delete(&fleet, "/customer/devices/b"));
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let expected = if renewed.status == 200 { 2 } else { 3 };
    assert_eq!(fleet.number(COUNT).await, expected, "{renewed:?}");
}

#[tokio::test]
async fn only_its_own_devices_and_only_a_limit_that_holds_them() {
    let (fleet, id) = due(&["a", "b", "c"]).await;
    let more = "INSERT INTO device_registry (tenant_id, device_id, site_id, status)
                VALUES ('test', 'free', 'default', 'ACTIVE')";
    fleet.database.execute(more).await.unwrap();
    let with = |devices: Value, limit: i64| json!({"subscription_id": id, "devices_to_deactivate": devices, "new_device_limit": limit});
    post(&fleet, RENEW, &with(json!(["a", "free"]), 5)).await.refused(400, "DEVICES_NOT_OF_SUBSCRIPTION");
    post(&fleet, RENEW, &with(json!(["a", "nobody"]), 5)).await.refused(400, "DEVICES_NOT_OF_SUBSCRIPTION");
    post(&fleet, RENEW, &with(json!(["a"]), 1)).await.refused(400, "LIMIT_BELOW_DEVICES");
    for (body, code) in [
        (with(json!(["no id"]), 5), "BAD_FIELD"),
        (with(json!([]), -1), "BAD_FIELD"),
        (json!({"subscription_id": id, "term_days": 0}), "BAD_FIELD"),
        (json!({"subscription_id": id, "days": 5}), "BAD_BODY"),
    ] {
        post(&fleet, RENEW, &body).await.refused(400, code);
    }
    assert_eq!((fleet.number(COUNT).await, fleet.number(DAYS_LEFT).await), (3, 9));
    assert_eq!(post(&fleet, RENEW, &with(json!(["a", "b"]), 1)).await.status, 200);
    assert_eq!(fleet.number(COUNT).await, 1);
    post(&fleet, "/customer/devices", &json!({"device_id": "d"}))
        .await
        .refused(403, "NO_SUBSCRIPTION_CAPACITY");
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_term_needs_a_key_and_is_done_once() {
    let (fleet, id) = due(&["a", "b"]).await;
    assert_eq!(post(&fleet, RENEW, &json!({"subscription_id": id})).await.status, 200);
    let body = json!({"subscription_id": id, "new_device_limit": 7, "term_days": 30});
    let told = post(&fleet, RENEW, &body).await;
    assert_eq!(
        (told.status, &told.body["note"], &told.body["not_changed"]),
        (200, &"Already active".into(), &json!(["new_device_limit"]))
    );
    let limit = "SELECT device_limit AS n FROM subscriptions";
    assert_eq!(fleet.number(limit).await, 1000);

    let ask = Ask::new(&fleet, Method::POST, RENEW).header("Idempotency-Key", "k1").body(body.to_string());
    let answers = all_at_once((0..20).map(|_| ask.clone().send())).await;
    assert_eq!(with_status(&answers, 200), 20, "{answers:?}");
    assert!(answers.windows(2).all(|two| two[0].body == two[1].body), "all have the answer of the first");
    assert_eq!((&answers[0].body["device_limit"], &answers[0].body["note"]), (&json!(7), &Value::Null));
    assert_eq!((fleet.number(limit).await, fleet.number(DAYS_LEFT).await), (7, 374 + 30));
    assert_eq!(fleet.number(&events("RENEWED")).await, 2);

    let other = json!({"subscription_id": id, "new_device_limit": 8});
    renew_with(&fleet, "k1", &other).await.refused(409, "IDEMPOTENCY_KEY_REUSED");
    renew_with(&fleet, &"k".repeat(256), &other).await.refused(400, "BAD_IDEMPOTENCY_KEY");
    assert_eq!(renew_with(&fleet, "k2", &other).await.body["device_limit"], 8);
    assert_eq!(fleet.number(DAYS_LEFT).await, 374 + 30, "who names no days changes no term");
}

#[tokio::test]
async fn a_fault_at_any_boundary_leaves_all_or_nothing() {
    let (fleet, id) = due(&["a", "b", "c"]).await;
    let addon = format!(
        "INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, parent_id, device_limit, term_end)
         VALUES ('test', 'SUB-20250101-00009', 'ADDON', '{id}', 5, now() + interval '10 days')"
    );
    fleet.database.execute(&addon).await.unwrap();
    install(&fleet).await;
    let body = json!({"subscription_id": id, "devices_to_deactivate": ["a", "b"], "plan_id": "p", "new_device_limit": 3});
    let renew = async || renew_with(&fleet, "k", &body).await;
    let boundaries = all_or_nothing(&fleet, "renew", |answer| answer.status == 200, renew).await;
    assert_eq!(boundaries, 6 * 2 + 8, "six statements that write eight rows");
    // Its answer was stored with it, and the add-on went along.
    assert_eq!(renew_with(&fleet, "k", &body).await.body["devices_deactivated"], 2);
    let along = "SELECT count(DISTINCT term_end) AS n FROM subscriptions";
    assert_eq!((fleet.number(along).await, fleet.number(COUNT).await), (1, 1));
    let addon = json!({"subscription_id": "SUB-20250101-00009", "term_days": 5});
    renew_with(&fleet, "of the add-on", &addon).await;
    assert_eq!(fleet.number(along).await, 1, "an add-on has no term of its own");
}

#[tokio::test]
async fn what_happened_is_listed() {
    let (fleet, id) = due(&["a", "b"]).await;
    assert_eq!(
        post(&fleet, RENEW, &json!({"subscription_id": id, "devices_to_deactivate": ["a"]})).await.status,
        200
    );
    let list = fleet.device.get("/api/v1/customer/subscriptions?limit=1").await.body;
    assert_eq!(
        (&list["subscriptions"][0]["subscription_id"], &list["next"]),
        (&json!(id), &Value::Null),
        "{list}"
    );
    let one = fleet.device.get(&format!("/customer/subscriptions/{id}")).await.body;
    assert_eq!((&one["active_device_count"], &one["status"]), (&json!(1), &"ACTIVE".into()));
    let (mut kinds, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/customer/subscription/audit?limit=1&subscription_id={id}{after}");
        let page = fleet.device.get(&path).await.body;
        kinds.push(page["events"][0]["event_type"].as_str().unwrap().to_owned());
        match page["next"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(kinds, ["RENEWED", "DEVICE_REMOVED", "DEVICE_ADDED", "DEVICE_ADDED"]);
    fleet
        .device
        .get("/customer/subscription/audit?subscription_id=x")
        .await
        .refused(404, "SUBSCRIPTION_NOT_FOUND");
}

/// What the rules allow fits into a body, and letters are counted, not their bytes.
#[tokio::test]
async fn as_many_devices_are_named_as_may_be() {
    let (fleet, id) = due(&[]).await;
    let devices: Vec<String> = (0..10_000).map(|number| format!("pump-{number:015}")).collect();
    let body = json!({"subscription_id": id, "devices_to_deactivate": devices});
    post(&fleet, RENEW, &body).await.refused(400, "DEVICES_NOT_OF_SUBSCRIPTION");
    let body = json!({"subscription_id": id, "plan_id": "\u{e4}".repeat(200)});
    let answer = post(&fleet, RENEW, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = json!({"subscription_id": id, "plan_id": "\u{e4}".repeat(201)});
    post(&fleet, RENEW, &body).await.refused(400, "BAD_FIELD");
}
