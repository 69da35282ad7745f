//! On every path about a device or a subscription, what belongs to another tenant is answered as what does not exist, and
//! nothing of it is changed.

use crate::asking::{Ask, created};
use crate::boundaries::state;
use crate::service;
use reqwest::Method;
use serde_json::json;

const THEIRS: &str = "
    INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
    INSERT INTO sites (tenant_id, site_id, name) VALUES ('other', 'default', 'd');
    INSERT INTO subscriptions (tenant_id, subscription_id, subscription_type, device_limit, active_device_count, term_end)
    VALUES ('other', 'SUB-20250101-00077', 'MAIN', 5, 1, now() + interval '1 day');
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, subscription_id)
    VALUES ('other', 'theirs', 'default', 'ACTIVE', 'SUB-20250101-00077');
    INSERT INTO device_tags VALUES ('other', 'theirs', 'a');
    INSERT INTO device_api_tokens (tenant_id, token_id, device_id, token_hash, label)
    VALUES ('other', '00000000-0000-0000-0000-000000000001', 'theirs', repeat('0', 64), 'l')";

#[tokio::test]
async fn on_every_path() {
    let fleet = service::start().await;
    created(&fleet, "own").await;
    fleet.database.execute(THEIRS).await.unwrap();
    let token = "00000000-0000-0000-0000-000000000001";
    let asks = |device: &str, subscription: &str| {
        let renewal = json!({ "subscription_id": subscription, "devices_to_deactivate": [device] });
        let change = json!({"name": "x", "tags": ["x"]});
        [
            (Method::GET, format!("/customer/devices/{device}"), None),
            (Method::PATCH, format!("/customer/devices/{device}"), Some(change)),
            (Method::DELETE, format!("/customer/devices/{device}"), None),
            (Method::PATCH, format!("/customer/devices/{device}/decommission"), None),
            (Method::DELETE, format!("/customer/devices/{device}/tags/a"), None),
            (Method::GET, format!("/customer/devices/{device}/tokens"), None),
            (Method::POST, format!("/customer/devices/{device}/tokens/rotate"), None),
            (Method::DELETE, format!("/customer/devices/{device}/tokens/{token}"), None),
            (Method::GET, format!("/customer/subscriptions/{subscription}"), None),
            (Method::POST, "/subscription/renew".to_owned(), Some(renewal)),
            (
                Method::POST,
                "/customer/devices".to_owned(),
                Some(json!({"device_id": "new", "subscription_id": subscription})),
            ),
        ]
    };
    let before = state(&fleet).await;
    let theirs = asks("theirs", "SUB-20250101-00077");
    for (theirs, none) in theirs.into_iter().zip(asks("nobody", "SUB-20000101-00001")) {
        let path = theirs.1.clone();
        let mut answers = Vec::new();
        for (method, path, body) in [theirs, none] {
            let mut ask = Ask::new(&fleet, method, &path);
            if let Some(body) = body {
                ask = ask.body(body.to_string());
            }
            let mut answer = ask.send().await;
            answer.body["request_id"] = "".into();
            answers.push(answer);
        }
        assert_eq!((answers[0].status, &answers[0].body), (404, &answers[1].body), "{path}");
    }
    assert_eq!(state(&fleet).await, before);
    for list in ["/customer/devices", "/customer/subscriptions", "/customer/subscription/audit"] {
        let shown = fleet.device.get(list).await.body.to_string();
        assert!(!shown.contains("theirs") && !shown.contains("00077"), "{list}: {shown}");
    }
    // A device of the same id may be had by both.
    created(&fleet, "theirs").await;
}
