//! A device has one token that counts: a new one takes its place in one transaction, also while readings come in, and one that
//! was revoked lets nobody in.

use crate::asking::{Ask, all_at_once, created, delete, with_status};
use crate::service::{self, Device, Fleet};
use reqwest::Method;

const ROTATE: &str = "/customer/devices/d1/tokens/rotate";
const COUNTING: &str = "SELECT count(*) AS n FROM device_api_tokens WHERE revoked_at IS NULL";

async fn send_with(fleet: &Fleet, token: &str) -> service::Answer {
    Device { key: token.to_owned(), ..fleet.device.clone() }.send("d1", r#"{"t": 1}"#).await
}

async fn rotated(fleet: &Fleet) -> String {
    let answer = Ask::new(fleet, Method::POST, ROTATE).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["provision_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn of_two_the_newer_counts() {
    let fleet = service::start().await;
    let first = created(&fleet, "d1").await;
    let second = rotated(&fleet).await;
    send_with(&fleet, &first).await.refused(401, "TOKEN_INVALID");
    send_with(&fleet, &second).await.accepted();
    let tokens = fleet.device.get("/customer/devices/d1/tokens").await.body;
    let tokens = tokens["tokens"].as_array().unwrap();
    assert_eq!((tokens.len(), tokens[0]["revoked_at"].is_null()), (2, true), "{tokens:?}");
    assert!(tokens[1]["revoked_at"].is_string());
    Ask::new(&fleet, Method::POST, "/customer/devices/nobody/tokens/rotate")
        .send()
        .await
        .refused(404, "DEVICE_NOT_FOUND");
    fleet.device.get("/customer/devices/nobody/tokens").await.refused(404, "DEVICE_NOT_FOUND");
}

/// A device that came in with the tenant's key has no token of its own until it is given one.
#[tokio::test]
async fn the_tenants_key_counts_no_more_once_a_device_has_a_token() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let token = rotated(&fleet).await;
    fleet.device.send("d1", r#"{"t": 2}"#).await.refused(401, "TOKEN_INVALID");
    send_with(&fleet, &token).await.accepted();
}

#[tokio::test]
async fn who_was_revoked_is_not_let_in_and_neither_is_the_tenants_key() {
    let fleet = service::start().await;
    let token = created(&fleet, "d1").await;
    let tokens = fleet.device.get("/customer/devices/d1/tokens").await.body;
    let path = format!("/customer/devices/d1/tokens/{}", tokens["tokens"][0]["token_id"].as_str().unwrap());
    assert_eq!(delete(&fleet, &path).await.status, 204);
    send_with(&fleet, &token).await.refused(401, "TOKEN_INVALID");
    fleet.device.send("d1", r#"{"t": 2}"#).await.refused(401, "TOKEN_INVALID");
    for gone in [
        path.as_str(),
        "/customer/devices/d1/tokens/x",
        "/customer/devices/d2/tokens/00000000-0000-0000-0000-000000000000",
    ] {
        delete(&fleet, gone).await.refused(404, "NOT_FOUND");
    }
    send_with(&fleet, &rotated(&fleet).await).await.accepted();
}

#[tokio::test]
async fn of_a_hundred_at_once_one_counts() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let ask = Ask::new(&fleet, Method::POST, ROTATE);
    let answers = all_at_once((0..100).map(|_| ask.clone().send())).await;
    assert_eq!(with_status(&answers, 201), 100, "{answers:?}");
    assert_eq!(fleet.number(COUNTING).await, 1);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_api_tokens").await, 101);
    let mut accepted = 0;
    for answer in &answers {
        let sent = send_with(&fleet, answer.body["provision_token"].as_str().unwrap()).await;
        accepted += i32::from(sent.status == 202);
    }
    assert_eq!((accepted, fleet.readings().await), (1, 1), "the token that counts is one that was told");
}

#[tokio::test]
async fn while_readings_come_in_each_is_stored_or_refused() {
    let fleet = service::start().await;
    let first = created(&fleet, "d1").await;
    let old = Device { key: first.clone(), ..fleet.device.clone() };
    let readings = (0..100).map(|n| {
        let old = old.clone();
        async move {
            old.send("d1", format!(r#"{{"ts": "{}", "seq": {n}, "metrics": {{"t": 1}}}}"#, service::now()))
                .await
        }
    });
    let (answers, second) = tokio::join!(all_at_once(readings), rotated(&fleet));
    let (stored, refused) = (with_status(&answers, 202), with_status(&answers, 401));
    assert_eq!(stored + refused, 100, "{answers:?}");
    assert_eq!(fleet.readings().await, i64::try_from(stored).unwrap());
    send_with(&fleet, &first).await.refused(401, "TOKEN_INVALID");
    send_with(&fleet, &second).await.accepted();
}
