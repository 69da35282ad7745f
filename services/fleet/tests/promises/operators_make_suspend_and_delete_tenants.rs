//! Operators make tenants, whose secrets are told once; and what they change of a tenant counts at once, for its people and its
//! devices, at every instance.

use crate::asking::{ask_as, text};
use crate::boundaries::{all_or_nothing, install};
use crate::operating::{items, operate};
use crate::service::{self, Answer, Device, Fleet};
use fleet::operator::tenant::TenantStatus;
use serde_json::{Value, json};

struct Made {
    key: String,
    token: String,
}

async fn make(fleet: &Fleet, tenant: &str) -> Made {
    let body = json!({"tenant_id": tenant, "name": format!("The {tenant}")});
    let answer = operate(fleet, "POST", "/operator/tenants", Some(body)).await;
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("ACTIVE")), "{answer:?}");
    let told = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    Made { key: told("provisioning_key"), token: told("access_token") }
}

async fn with_subscription(fleet: &Fleet, tenant: &str) -> Made {
    let made = make(fleet, tenant).await;
    let body = json!({"tenant_id": tenant, "type": "MAIN", "device_limit": 5});
    assert_eq!(operate(fleet, "POST", "/operator/subscriptions", Some(body)).await.status, 201);
    made
}

async fn send(device: &Device, made: &Made) -> Answer {
    device.send_to("/ingest/tenant/acme/device/a1/telemetry", Some(&made.key), r#"{"t": 1}"#).await
}

async fn turned(fleet: &Fleet, status: &str) -> Answer {
    operate(fleet, "PATCH", "/operator/tenants/acme", Some(json!({"status": status}))).await
}

#[tokio::test]
async fn a_new_tenant_can_be_used_and_its_secrets_are_kept_by_no_table() {
    let fleet = service::start().await;
    let made = with_subscription(&fleet, "acme").await;
    send(&fleet.device, &made).await.accepted();
    let devices = fleet.device.get_as("/customer/devices", Some(&made.token)).await;
    assert_eq!(devices.body["devices"][0]["device_id"], "a1", "{devices:?}");
    for secret in [made.key.as_str(), made.token.rsplit_once('.').unwrap().1] {
        for (table, rows) in crate::boundaries::state(&fleet).await {
            assert!(!rows.contains(secret), "{table}");
        }
    }
    let shown = operate(&fleet, "GET", "/api/v1/operator/tenants/acme", None).await;
    assert_eq!((shown.status, &shown.body["name"]), (200, &json!("The acme")));
    let stats = &shown.body["stats"];
    let of = |name: &str| stats[name].as_i64();
    assert_eq!((of("devices"), of("devices_active"), of("device_limit")), (Some(1), Some(1), Some(5)));
    assert_eq!((of("subscriptions"), of("alerts_open"), of("not_taken_24h")), (Some(1), Some(0), Some(0)));
    // An id is not given twice.
    let again = json!({"tenant_id": "acme", "name": "another"});
    operate(&fleet, "POST", "/operator/tenants", Some(again)).await.refused(409, "TENANT_EXISTS");
}

#[tokio::test]
async fn what_is_changed_counts_at_once_at_every_instance() {
    let fleet = service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&fleet.database.url(), folder.path());
    config.demo = false;
    let other = fleet::start(config).await.unwrap();
    other.ready().await.unwrap();
    let elsewhere = Device { url: other.url(), ..fleet.device.clone() };
    let made = with_subscription(&fleet, "acme").await;
    for device in [&fleet.device, &elsewhere] {
        send(device, &made).await.accepted();
    }
    assert_eq!(turned(&fleet, "SUSPENDED").await.body["status"], "SUSPENDED");
    for device in [&fleet.device, &elsewhere] {
        send(device, &made).await.refused(403, "TENANT_SUSPENDED");
        device.get_as("/customer/devices", Some(&made.token)).await.refused(401, "TOKEN_INVALID");
    }
    assert_eq!(turned(&fleet, "SUSPENDED").await.status, 200, "to stay is no mistake");
    assert_eq!(turned(&fleet, "ACTIVE").await.body["status"], "ACTIVE");
    for device in [&fleet.device, &elsewhere] {
        send(device, &made).await.accepted();
        assert_eq!(device.get_as("/customer/devices", Some(&made.token)).await.status, 200);
    }
    let deleted = operate(&fleet, "DELETE", "/operator/tenants/acme", None).await;
    assert_eq!((deleted.status, &deleted.body["status"]), (200, &json!("DELETED")), "{deleted:?}");
    assert!(deleted.body["deleted_at"].is_string());
    send(&elsewhere, &made).await.refused(403, "TENANT_SUSPENDED");
    elsewhere.get_as("/customer/devices", Some(&made.token)).await.refused(401, "TOKEN_INVALID");
    // What is deleted stays so, and its rows stay too.
    turned(&fleet, "ACTIVE").await.refused(409, "TENANT_DELETED");
    assert_eq!(operate(&fleet, "DELETE", "/operator/tenants/acme", None).await.status, 200);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM telemetry WHERE tenant_id = 'acme'").await, 4);
    other.stop().await;
}

#[tokio::test]
async fn a_page_of_tenants_is_complete_and_filters_are_checked() {
    let fleet = service::start().await;
    for n in 0..7 {
        make(&fleet, &format!("acme-{n}")).await;
    }
    operate(&fleet, "PATCH", "/operator/tenants/acme-3", Some(json!({"status": "SUSPENDED"}))).await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/operator/tenants?limit=3{after}");
        let page = operate(&fleet, "GET", &path, None).await;
        let ids = page.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["tenant_id"].as_str().unwrap().to_owned());
        found.extend(ids);
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let mut expected: Vec<String> = (0..7).map(|n| format!("acme-{n}")).collect();
    expected.push("test".to_owned());
    assert_eq!(found, expected);
    let suspended = items(&fleet, "/operator/tenants?status=SUSPENDED").await;
    assert_eq!((suspended.len(), &suspended[0]["tenant_id"]), (1, &json!("acme-3")));
    assert_eq!(items(&fleet, "/operator/tenants?search=ACME-5").await.len(), 1);
    for wrong in ["status=active", "colour=red", "search=", "search=%00", "search=a&search=b"] {
        let answer = operate(&fleet, "GET", &format!("/operator/tenants?{wrong}"), None).await;
        answer.refused(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn what_cannot_be_is_told_and_changes_nothing() {
    let fleet = service::start().await;
    let before = text(&fleet, "SELECT string_agg(t::text, ' ') AS s FROM tenants t").await;
    for body in [
        json!({}),
        json!({"tenant_id": "a.b", "name": "n"}),
        json!({"tenant_id": "", "name": "n"}),
        json!({"tenant_id": "a", "name": ""}),
        json!({"tenant_id": "a", "name": "n\u{0}"}),
        json!({"tenant_id": "a", "name": "n", "status": "ACTIVE"}),
    ] {
        let answer = operate(&fleet, "POST", "/operator/tenants", Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body} {answer:?}");
    }
    for (path, body, status) in [
        ("test", json!({}), 400),
        ("test", json!({"status": "GONE"}), 400),
        ("test", json!({"name": "x".repeat(201)}), 400),
        ("none", json!({"name": "x"}), 404),
        ("%00", json!({"name": "x"}), 404),
        ("%FF", json!({"name": "x"}), 404),
    ] {
        let path = format!("/operator/tenants/{path}");
        let answer = operate(&fleet, "PATCH", &path, Some(body.clone())).await;
        assert_eq!(answer.status, status, "{path} {body} {answer:?}");
    }
    assert_eq!(text(&fleet, "SELECT string_agg(t::text, ' ') AS s FROM tenants t").await, before);
}

#[tokio::test]
async fn a_fault_at_any_boundary_leaves_all_or_nothing() {
    let fleet = service::start().await;
    install(&fleet).await;
    let body = json!({"tenant_id": "acme", "name": "A"});
    let create = async || operate(&fleet, "POST", "/operator/tenants", Some(body.clone())).await;
    let is_done = |answer: &Answer| (200..300).contains(&answer.status);
    assert_eq!(all_or_nothing(&fleet, "create tenant", is_done, create).await, 9);
    let suspend = async || turned(&fleet, "SUSPENDED").await;
    assert_eq!(all_or_nothing(&fleet, "suspend", is_done, suspend).await, 3);
}

#[tokio::test]
async fn of_a_hundred_that_make_the_same_tenant_one_does() {
    let fleet = service::start().await;
    let make = |_| {
        let (device, token) = (fleet.device.clone(), fleet.device.operator.clone());
        async move {
            let body = json!({"tenant_id": "acme", "name": "A"}).to_string();
            ask_as(&device, Some(&token), "POST", "/operator/tenants", Some(body)).await
        }
    };
    let answers = crate::asking::all_at_once((0..100).map(make)).await;
    let made: Vec<&Value> = answers.iter().filter(|one| one.status == 201).map(|one| &one.body).collect();
    assert_eq!(made.len(), 1);
    assert!(answers.iter().all(|one| one.status == 201 || one.status == 409), "{answers:?}");
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM tenant_access_tokens WHERE tenant_id = 'acme'").await,
        1
    );
}

#[tokio::test]
async fn the_states_are_the_same_in_the_table_and_in_the_code() {
    let fleet = service::start().await;
    let sql = "SELECT pg_get_constraintdef(oid) AS s FROM pg_constraint WHERE conname = 'tenants_status'";
    let of_table = text(&fleet, sql).await;
    let of_table: Vec<&str> = of_table.split('\'').skip(1).step_by(2).collect();
    assert_eq!(of_table, TenantStatus::ALL.map(TenantStatus::as_str));
}
