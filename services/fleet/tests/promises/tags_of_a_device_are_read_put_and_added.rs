//! The tags of a device are shown, put anew and added to, each whole or not at all; two clients that add at the same time lose
//! none of them, and together no more than a device may have.

use crate::asking::{Ask, OTHER, all_at_once, ask, ask_as, created, other_tenant, with_status};
use crate::boundaries::{all_or_nothing, install};
use crate::service::{self, Answer};
use reqwest::Method;
use serde_json::json;

const PATHS: [&str; 2] = ["/customer/devices/d1/tags", "/api/v1/customer/devices/d1/tags"];

fn is_success(answer: &Answer) -> bool {
    answer.status == 200
}

#[tokio::test]
async fn tags_are_shown_put_and_added() {
    let fleet = service::start().await;
    let device = &fleet.device;
    created(&fleet, "d1").await;
    for path in PATHS {
        assert_eq!(device.get(path).await.body["device_id"], "d1");
        let put = ask(device, "PUT", path, Some(json!({"tags": ["b", "a", "b"]}))).await;
        assert_eq!((put.status, &put.body["tags"]), (200, &json!(["a", "b"])), "{put:?}");
        let add = ask(device, "POST", path, Some(json!({"tags": ["c", "a"]}))).await;
        assert_eq!((add.status, &add.body["tags"]), (200, &json!(["a", "b", "c"])), "{add:?}");
        assert_eq!(device.get(path).await.body["tags"], json!(["a", "b", "c"]));
        let none = ask(device, "PUT", path, Some(json!({"tags": []}))).await;
        assert_eq!((none.status, &none.body["tags"]), (200, &json!([])));
    }
}

#[tokio::test]
async fn what_cannot_be_a_tag_changes_nothing() {
    let fleet = service::start().await;
    let device = &fleet.device;
    created(&fleet, "d1").await;
    ask(device, "PUT", PATHS[0], Some(json!({"tags": ["a"]}))).await;
    let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    let rest: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for (method, body) in [
        ("PUT", json!({"tags": [""]})),
        ("PUT", json!({"tags": ["a\u{0}"]})),
        ("POST", json!({"tags": ["x".repeat(65)]})),
        ("PUT", json!({"tags": many})),
        ("POST", json!({"tags": rest})),
        ("POST", json!({"tags": "a"})),
        ("POST", json!({})),
        ("PUT", json!({"tags": ["a"], "colour": 1})),
    ] {
        let answer = ask(device, method, PATHS[0], Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{method} {body} {answer:?}");
    }
    assert_eq!(device.get(PATHS[0]).await.body["tags"], json!(["a"]));
}

#[tokio::test]
async fn another_tenants_tags_are_not_there() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    other_tenant(&fleet).await;
    let body = Some(json!({"tags": ["x"]}).to_string());
    for (method, body) in [("GET", None), ("PUT", body.clone()), ("POST", body)] {
        let others = ask_as(&fleet.device, Some(OTHER), method, PATHS[0], body.clone()).await;
        others.refused(404, "DEVICE_NOT_FOUND");
        ask_as(&fleet.device, None, method, PATHS[0], body).await.refused(401, "TOKEN_MISSING");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_tags").await, 0);
}

#[tokio::test]
async fn clients_that_add_at_the_same_time_lose_none() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let add = |n: i32| {
        let body = json!({"tags": [n.to_string()]}).to_string();
        Ask::new(&fleet, Method::POST, PATHS[0]).body(body).send()
    };
    let answers = all_at_once((0..60).map(add)).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 400)), (50, 10));
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_tags").await, 50);
}

#[tokio::test]
async fn a_fault_at_any_boundary_leaves_all_or_nothing() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    install(&fleet).await;
    let put = async || ask(&fleet.device, "PUT", PATHS[0], Some(json!({"tags": ["a", "b"]}))).await;
    assert!(all_or_nothing(&fleet, "put tags", is_success, put).await >= 9);
    let add = async || ask(&fleet.device, "POST", PATHS[0], Some(json!({"tags": ["c", "d"]}))).await;
    assert!(all_or_nothing(&fleet, "add tags", is_success, add).await >= 7);
}
