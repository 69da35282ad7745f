//! A tenant registers a device within what it pays for, sees it, changes what is said of it, and puts it aside.

use crate::asking::{Ask, all_at_once, created, delete, patch, post, with_status};
use crate::service::{self, Device};
use reqwest::Method;
use serde_json::{Value, json};

const COUNT: &str = "SELECT active_device_count AS n FROM subscriptions";
const LIST: &str = "/customer/devices";

#[tokio::test]
async fn with_a_token_that_is_told_once() {
    let fleet = service::start().await;
    let body =
        json!({"device_id": "p1", "name": "Pump", "device_type": "pump", "tags": ["roof", "old", "roof"]});
    let answer = post(&fleet, "/api/v1/customer/devices", &body).await;
    assert_eq!((answer.status, &answer.body["tags"]), (201, &json!(["old", "roof"])), "{answer:?}");
    let token = answer.body["provision_token"].as_str().unwrap().to_owned();
    assert!(answer.body["subscription_id"].as_str().unwrap().starts_with("SUB-"));
    // Its own token and no other lets it in.
    Device { key: token.clone(), ..fleet.device.clone() }.send("p1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("p1", r#"{"t": 2}"#).await.refused(401, "TOKEN_INVALID");
    for path in ["/customer/devices/p1", LIST, "/customer/devices/p1/tokens"] {
        let shown = fleet.device.get(path).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert!(!shown.body.to_string().contains(&token), "{path} tells the secret again");
    }
    let shown = fleet.device.get("/api/v1/customer/devices/p1").await.body;
    assert_eq!((&shown["name"], &shown["tags"]), (&"Pump".into(), &json!(["old", "roof"])));
    post(&fleet, LIST, &body).await.refused(409, "DEVICE_EXISTS");
    assert_eq!(fleet.number(COUNT).await, 1);
}

#[tokio::test]
async fn whatever_cannot_be_one_is_refused_and_nothing_is_registered() {
    let fleet = service::start().await;
    for (body, status, code) in [
        (json!({}), 400, "BAD_FIELD"),
        (json!({"device_id": "no id"}), 400, "BAD_FIELD"),
        (json!({"device_id": "summary"}), 400, "DEVICE_ID_RESERVED"),
        (json!({"device_id": "import"}), 400, "DEVICE_ID_RESERVED"),
        (json!({"device_id": 5}), 400, "BAD_BODY"),
        (json!([]), 400, "BAD_BODY"),
        (json!({"device_id": "d", "colour": "red"}), 400, "BAD_FIELD"),
        (json!({"device_id": "d", "name": "\u{0}"}), 400, "BAD_FIELD"),
        (json!({"device_id": "d", "tags": [""]}), 400, "BAD_FIELD"),
        (json!({"device_id": "d", "site_id": "nowhere"}), 400, "UNKNOWN_SITE"),
        (json!({"device_id": "d", "subscription_id": "SUB-20000101-00001"}), 404, "SUBSCRIPTION_NOT_FOUND"),
        (json!({"device_id": "d", "subscription_id": "x\u{0}"}), 404, "SUBSCRIPTION_NOT_FOUND"),
    ] {
        post(&fleet, LIST, &body).await.refused(status, code);
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 0);
    assert_eq!(fleet.number(COUNT).await, 0);
}

#[tokio::test]
async fn the_last_free_place_is_taken_once() {
    let fleet = service::start().await;
    fleet.database.execute("UPDATE subscriptions SET device_limit = 1").await.unwrap();
    let asks = (0..100).map(|n| {
        let body = json!({ "device_id": format!("d{n}") }).to_string();
        Ask::new(&fleet, Method::POST, LIST).body(body).send()
    });
    let answers = all_at_once(asks).await;
    assert_eq!((with_status(&answers, 201), with_status(&answers, 403)), (1, 99), "{answers:?}");
    assert_eq!(
        (fleet.number(COUNT).await, fleet.number("SELECT count(*) AS n FROM device_registry").await),
        (1, 1)
    );
    // And is free again once its device is deleted.
    let taken = answers.iter().find(|answer| answer.status == 201).unwrap();
    delete(&fleet, &format!("{LIST}/{}", taken.body["device_id"].as_str().unwrap())).await;
    created(&fleet, "next").await;
}

#[tokio::test]
async fn a_device_may_count_against_the_subscription_that_is_named() {
    let fleet = service::start().await;
    let more = "INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, parent_id, device_limit, term_end)
                SELECT 'test', 'SUB-20250101-00009', 'ADDON', subscription_id, 1, term_end FROM subscriptions";
    fleet.database.execute(more).await.unwrap();
    let on = |device: &str| json!({"device_id": device, "subscription_id": "SUB-20250101-00009"});
    assert_eq!(post(&fleet, LIST, &on("d1")).await.status, 201);
    post(&fleet, LIST, &on("d2")).await.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    let suspended =
        "UPDATE subscriptions SET status = 'SUSPENDED', device_limit = 9 WHERE subscription_type = 'ADDON'";
    fleet.database.execute(suspended).await.unwrap();
    post(&fleet, LIST, &on("d2")).await.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    let counted = "SELECT active_device_count AS n FROM subscriptions WHERE subscription_type = 'ADDON'";
    assert_eq!(fleet.number(counted).await, 1);
}

#[tokio::test]
async fn tags_alone_can_be_changed_and_so_can_texts_alone() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    created(&fleet, "d2").await;
    let path = "/customer/devices/d1";
    let change = async |body: Value| patch(&fleet, path, &body).await;
    let answer = change(json!({"tags": ["b", "a"]})).await;
    assert_eq!((answer.status, &answer.body["tags"]), (200, &json!(["a", "b"])), "{answer:?}");
    let answer = change(json!({"name": "Pump", "notes": "two\nlines"})).await;
    assert_eq!((&answer.body["name"], &answer.body["tags"]), (&"Pump".into(), &json!(["a", "b"])));
    let answer = change(json!({"notes": null, "tags": ["c"]})).await;
    assert_eq!((&answer.body["name"], &answer.body["notes"]), (&"Pump".into(), &Value::Null));
    assert_eq!(answer.body["tags"], json!(["c"]));
    assert_eq!(change(json!({"tags": []})).await.body["tags"], json!([]));
    change(json!({})).await.refused(400, "NOTHING_TO_CHANGE");
    change(json!({"device_id": "d3"})).await.refused(400, "BAD_FIELD");
    change(json!({"name": "x", "site_id": "nowhere"})).await.refused(400, "UNKNOWN_SITE");
    assert_eq!(fleet.device.get(path).await.body["name"], "Pump");
    assert_eq!(fleet.device.get("/customer/devices/d2").await.body["name"], Value::Null);
    patch(&fleet, "/customer/devices/nobody", &json!({"tags": ["a"]})).await.refused(404, "DEVICE_NOT_FOUND");
}

#[tokio::test]
async fn a_hundred_that_change_the_same_tags_leave_one_choice() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let asks = (0..100).map(|n| {
        let body = json!({ "tags": [format!("a{n}"), format!("b{n}")] }).to_string();
        Ask::new(&fleet, Method::PATCH, "/customer/devices/d1").body(body).send()
    });
    let answers = all_at_once(asks).await;
    assert_eq!(with_status(&answers, 200), 100, "{answers:?}");
    let tags = fleet.device.get("/customer/devices/d1").await.body["tags"].clone();
    let (first, second) = (tags[0].as_str().unwrap(), tags[1].as_str().unwrap());
    assert_eq!((tags.as_array().unwrap().len(), &first[1..]), (2, &second[1..]), "{tags}");
}

#[tokio::test]
async fn what_is_deleted_twice_was_not_found_the_second_time() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    patch(&fleet, "/customer/devices/d1", &json!({"tags": ["a b", "c"]})).await;
    let path = "/customer/devices/d1/tags/a%20b";
    assert_eq!(delete(&fleet, path).await.status, 204);
    let answer = delete(&fleet, path).await;
    answer.refused(404, "NOT_FOUND");
    assert_eq!(answer.body["title"], "Not found");
    assert_eq!(fleet.device.get("/customer/devices/d1").await.body["tags"], json!(["c"]));
    delete(&fleet, "/customer/devices/nobody/tags/c").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn who_is_put_aside_frees_its_place_once() {
    let fleet = service::start().await;
    let token = created(&fleet, "d1").await;
    let ask = Ask::new(&fleet, Method::PATCH, "/api/v1/customer/devices/d1/decommission");
    let answers = all_at_once((0..50).map(|_| ask.clone().send())).await;
    assert_eq!(with_status(&answers, 200), 50, "{answers:?}");
    assert!(answers.windows(2).all(|two| two[0].body == two[1].body), "all are told the same time");
    let removed = "SELECT count(*) AS n FROM subscription_event_log WHERE event_type = 'DEVICE_REMOVED'";
    assert_eq!((fleet.number(COUNT).await, fleet.number(removed).await), (0, 1));
    let shown = fleet.device.get("/customer/devices/d1").await.body;
    assert_eq!(shown["status"], "INACTIVE");
    Device { key: token, ..fleet.device.clone() }
        .send("d1", r#"{"t": 1}"#)
        .await
        .refused(403, "DEVICE_REVOKED");
    let rotate = Ask::new(&fleet, Method::POST, "/customer/devices/d1/tokens/rotate");
    rotate.send().await.refused(409, "DEVICE_NOT_IN_USE");
}
