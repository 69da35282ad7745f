//! What a person may do depends on the roles in the token, for every path in one place; who may not is told which permission it
//! needs, and nothing is done.

use crate::asking::{Ask, content};
use crate::identity::{Signer, fleet_with};
use crate::service;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

/// Method, path, body, the permission that it needs.
fn asks() -> Vec<(Method, &'static str, Option<Value>, &'static str)> {
    vec![
        (Method::GET, "/customer/devices", None, "devices.read"),
        (Method::POST, "/customer/devices", Some(json!({ "device_id": "new" })), "devices.create"),
        (Method::POST, "/customer/devices/import", None, "devices.import"),
        (Method::PATCH, "/customer/devices/d1", Some(json!({ "name": "n" })), "devices.update"),
        (Method::POST, "/customer/devices/d1/tokens/rotate", None, "devices.tokens.rotate"),
        (Method::PATCH, "/customer/alerts/1/close", None, "alerts.close"),
        (Method::POST, "/customer/escalation-policies", Some(json!({ "name": "p" })), "escalation.create"),
        (Method::POST, "/customer/oncall/schedules/1/overrides", None, "oncall.update"),
        (Method::DELETE, "/customer/integration-routes/1", None, "integrations.routes.delete"),
        (Method::POST, "/subscription/renew", None, "subscriptions.renew"),
        (Method::DELETE, "/customer/devices/d1", None, "devices.delete"),
    ]
}

/// Which of these each role has.
const BUNDLES: [(&str, &[&str]); 8] = [
    ("viewer", &["devices.read"]),
    ("customer", &["devices.read"]),
    ("Device Manager", &["devices."]),
    ("alert-manager", &["devices.read", "alerts.", "escalation.", "oncall."]),
    ("integration-manager", &["devices.read", "integrations."]),
    ("team-admin", &["devices.read", "subscriptions."]),
    ("full-admin", &[""]),
    ("tenant-admin", &[""]),
];

#[tokio::test]
async fn in_a_signed_token() {
    let signer = Signer::new("a", Algorithm::EdDSA);
    let (fleet, _provider) = fleet_with(&[&signer]).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let tables = ["device_registry", "device_api_tokens", "escalation_policies", "subscription_event_log"];
    let before = content(&fleet, &tables).await;
    for (role, bundle) in BUNDLES {
        let token = signer.token(json!({ "roles": [role, "something else"] }));
        for (method, path, body, needed) in asks() {
            for path in [path.to_owned(), format!("/api/v1{path}")] {
                let may = bundle.iter().any(|part| needed.starts_with(part));
                // What it may do is asked of a tenant's rows only where that changes nothing.
                if may && method != Method::GET {
                    continue;
                }
                let ask = Ask::new(&fleet, method.clone(), &path).token(&token);
                let ask = match &body {
                    Some(body) => ask.body(body.to_string()),
                    None => ask,
                };
                let answer = ask.send().await;
                if may {
                    assert_eq!(answer.status, 200, "{role} {method} {path}: {answer:?}");
                } else {
                    answer.refused(403, "PERMISSION_REQUIRED");
                    assert_eq!(
                        answer.body["title"],
                        format!("Permission required: {needed}"),
                        "{role} {path}"
                    );
                }
            }
        }
    }
    assert_eq!(content(&fleet, &tables).await, before, "who may not changes nothing");
    let delete = |token: &str| Ask::new(&fleet, Method::DELETE, "/customer/devices/d1").token(token).send();
    let viewer = signer.token(json!({ "roles": ["viewer"] }));
    assert_eq!(delete(&viewer).await.body["title"], "Permission required: devices.delete");
    let manager = signer.token(json!({ "realm_access": { "roles": ["device-manager"] }, "roles": null }));
    assert_eq!(delete(&manager).await.status, 200);
    for none in [json!([]), json!(null), json!(["admin"]), json!("full-admin")] {
        let token = signer.token(json!({ "roles": none }));
        fleet.device.get_as("/customer/devices", Some(&token)).await.refused(403, "PERMISSION_REQUIRED");
    }
}

#[tokio::test]
async fn or_beside_a_token_of_the_services_own() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet
        .database
        .execute(
            "INSERT INTO tenant_access_tokens (tenant_id, token_hash, label, role)
             VALUES ('test', encode(sha256('test.looks'), 'hex'), 'l', 'viewer')",
        )
        .await
        .unwrap();
    assert_eq!(fleet.device.get_as("/customer/devices", Some("test.looks")).await.status, 200);
    let delete = |token: &str| Ask::new(&fleet, Method::DELETE, "/customer/devices/d1").token(token).send();
    let refused = delete("test.looks").await;
    refused.refused(403, "PERMISSION_REQUIRED");
    assert_eq!(refused.body["title"], "Permission required: devices.delete");
    // Those from before there were roles may do everything.
    assert_eq!(delete(&fleet.device.token).await.status, 200);
}
