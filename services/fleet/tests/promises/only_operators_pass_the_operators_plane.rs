//! Every path of the operators' plane is closed to all others: to who shows nothing, and to who shows a tenant's token. Operators
//! see what is all tenants', and of it no secret and nothing that acts on the text around it.

use crate::alerts::{cause, open};
use crate::asking::{ask_as, created, other_tenant};
use crate::boundaries::state;
use crate::operating::{items, operate};
use crate::service::{self, until};
use fleet::alerts::Severity;
use serde_json::{Value, json};

const PATHS: [(&str, &str); 18] = [
    ("GET", "/operator/tenants"),
    ("POST", "/operator/tenants"),
    ("GET", "/operator/tenants/test"),
    ("PATCH", "/operator/tenants/test"),
    ("DELETE", "/operator/tenants/test"),
    ("GET", "/operator/subscriptions"),
    ("POST", "/operator/subscriptions"),
    ("PATCH", "/operator/subscriptions/test/SUB-20250101-00001"),
    ("GET", "/operator/devices"),
    ("GET", "/operator/alerts"),
    ("GET", "/operator/quarantine"),
    ("GET", "/operator/audit-log"),
    ("GET", "/operator/system/aggregates"),
    ("GET", "/operator/system/metrics"),
    ("GET", "/operator/system/metrics/latest"),
    ("GET", "/operator/system/metrics/history"),
    ("GET", "/operator/system/errors"),
    ("GET", "/operator/system/health"),
];

#[tokio::test]
async fn no_one_else_is_let_in_and_nothing_is_changed() {
    let fleet = service::start().await;
    let before = state(&fleet).await;
    for (method, path) in PATHS {
        for path in [path.to_owned(), format!("/api/v1{path}")] {
            let body = (method != "GET")
                .then(|| json!({"status": "DELETED", "tenant_id": "x", "name": "x"}).to_string());
            let none = ask_as(&fleet.device, None, method, &path, body.clone()).await;
            none.refused(401, "OPERATOR_TOKEN_MISSING");
            for token in [fleet.device.token.as_str(), fleet.device.key.as_str(), "x"] {
                let tenants = ask_as(&fleet.device, Some(token), method, &path, body.clone()).await;
                tenants.refused(401, "OPERATOR_TOKEN_INVALID");
            }
        }
    }
    assert_eq!(state(&fleet).await, before);
}

#[tokio::test]
async fn an_operators_token_opens_no_tenants_door() {
    let fleet = service::start().await;
    for path in ["/customer/devices", "/customer/audit-log", "/customer/alerts"] {
        fleet.device.get_as(path, Some(&fleet.device.operator)).await.refused(401, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn the_lists_have_what_is_of_all_tenants() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    created(&fleet, "d1").await;
    created(&fleet, "d2").await;
    let theirs = "INSERT INTO device_registry (tenant_id, device_id, site_id, status, name)
                  VALUES ('other', 'o1', 'default', 'ACTIVE', 'The first'), ('other', 'o2', 'default', 'DELETED', NULL)";
    fleet.database.execute(theirs).await.unwrap();
    for (tenant, fingerprint) in [("test", "a"), ("other", "b")] {
        open(&fleet, tenant, &cause(fingerprint, Severity::High)).await;
    }
    let ids = |rows: &[Value], name: &str| -> Vec<String> {
        rows.iter()
            .map(|row| format!("{}/{}", row["tenant_id"].as_str().unwrap(), row[name].as_str().unwrap()))
            .collect()
    };
    let all = items(&fleet, "/operator/devices").await;
    assert_eq!(ids(&all, "device_id"), ["other/o1", "test/d1", "test/d2"]);
    let first = operate(&fleet, "GET", "/operator/devices?limit=2", None).await;
    let rest = format!("/operator/devices?limit=2&after={}", first.body["next"].as_str().unwrap());
    assert_eq!(ids(&items(&fleet, &rest).await, "device_id"), ["test/d2"]);
    for (query, expected) in [
        ("tenant_id=test", vec!["test/d1", "test/d2"]),
        ("status=DELETED", vec!["other/o2"]),
        ("search=FIRST", vec!["other/o1"]),
        ("tenant_id=none", vec![]),
    ] {
        let rows = items(&fleet, &format!("/api/v1/operator/devices?{query}")).await;
        assert_eq!(ids(&rows, "device_id"), expected, "{query}");
    }
    let alerts = items(&fleet, "/operator/alerts?status=OPEN").await;
    assert_eq!(ids(&alerts, "status"), ["other/OPEN", "test/OPEN"], "the newest first");
    assert_eq!(items(&fleet, "/operator/alerts?tenant_id=other&alert_type=NO_HEARTBEAT").await.len(), 1);
    assert_eq!(items(&fleet, "/operator/alerts?status=CLOSED").await.len(), 0);
    let told = operate(&fleet, "GET", "/operator/system/aggregates", None).await.body;
    assert_eq!(
        (&told["devices"], &told["alerts"]),
        (&json!({"ACTIVE": 3, "DELETED": 1}), &json!({"OPEN": 2}))
    );
    for wrong in ["devices?status=GONE", "alerts?status=open", "quarantine?x=y", "audit-log?tenant_id="] {
        operate(&fleet, "GET", &format!("/operator/{wrong}"), None).await.refused(400, "INVALID_REQUEST");
    }
    let unknown = operate(&fleet, "GET", "/operator/alerts?alert_type=X", None).await;
    assert_eq!((unknown.status, unknown.code()), (400, "INVALID_REQUEST"));
    // Secrets are not in what operators see.
    let hash = fleet::credentials::TokenHash::of(&fleet.device.key).hex();
    for path in ["tenants", "tenants/test", "devices", "alerts", "subscriptions", "audit-log"] {
        let shown = operate(&fleet, "GET", &format!("/operator/{path}"), None).await.body.to_string();
        assert!(!shown.contains("hash") && !shown.contains(&hash), "{path} {shown}");
    }
}

#[tokio::test]
async fn what_was_not_taken_is_shown_as_harmless_text() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let nasty = "<script>alert(1)</script>\u{1b}[2J\u{202e}";
    fleet.device.send("d1", format!("{{\"{nasty}")).await.refused(400, "INVALID_JSON");
    until("it is kept", async || fleet.number("SELECT count(*) AS n FROM quarantine_events").await == 1)
        .await;
    let long = "INSERT INTO quarantine_events (tenant_id, device_id, msg_type, reason, payload)
                VALUES ('test', 'd2', 'telemetry', 'INVALID_JSON', repeat('x', 5000))";
    fleet.database.execute(long).await.unwrap();
    let rows = items(&fleet, "/operator/quarantine?tenant_id=test").await;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0]["payload"].as_str().unwrap().len(), &rows[0]["is_cut"]), (2_000, &json!(true)));
    assert_eq!(rows[0]["payload_length"], 5_000);
    let shown = rows[1]["payload"].as_str().unwrap();
    assert!(shown.contains("<script>") && !shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    assert_eq!(rows[1]["is_cut"], false);
    assert_eq!(items(&fleet, "/operator/quarantine?device_id=d2&reason=INVALID_JSON").await.len(), 1);
    assert_eq!(items(&fleet, "/operator/quarantine?reason=RATE_LIMITED").await.len(), 0);
}
