//! What a tenant's people write and what operators see and do is on record, in the same transaction: what cannot be recorded is
//! neither done nor shown. The record is added to and never changed, and a tenant sees its own part of it.

use crate::alerts::{cause, open};
use crate::asking::{Ask, OTHER, created, other_tenant, patch, text};
use crate::identity::{Signer, fleet_with};
use crate::operating::{items, operate};
use crate::service::{self, Fleet};
use fleet::alerts::Severity;
use fleet::audit::forget;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/customer/audit-log";

async fn own(fleet: &Fleet) -> Vec<Value> {
    let answer = fleet.device.get(PATH).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

fn told(row: &Value) -> (String, String, String) {
    let of = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (of("action"), of("object_type"), of("object_id"))
}

fn is(row: &Value, action: &str, object_type: &str, object_id: &str) -> bool {
    told(row) == (action.to_owned(), object_type.to_owned(), object_id.to_owned())
}

#[tokio::test]
async fn what_people_write_is_recorded_with_who_whence_and_which_request() {
    let fleet = service::start().await;
    let body = json!({"device_id": "d1", "tags": ["a", "b"]}).to_string();
    let ask =
        Ask::new(&fleet, Method::POST, "/customer/devices").header("X-Request-Id", "my-request-1").body(body);
    assert_eq!(ask.send().await.status, 201);
    let rows = own(&fleet).await;
    for (object, id) in [("device_registry", "d1"), ("device_tags", "d1/a"), ("device_tags", "d1/b")] {
        assert!(rows.iter().any(|row| is(row, "insert", object, id)), "{object} {id} {rows:?}");
    }
    for row in &rows {
        let of = |name: &str| row[name].as_str().unwrap_or_default();
        assert_eq!((of("actor_type"), of("actor_id"), of("outcome")), ("tenant", "test", "DONE"));
        assert_eq!((of("client"), of("request_id"), of("tenant_id")), ("127.0.0.1", "my-request-1", "test"));
    }
    patch(&fleet, "/customer/devices/d1", &json!({"name": "N"})).await;
    Ask::new(&fleet, Method::POST, "/customer/devices/d1/tokens/rotate").send().await;
    let policy = json!({"name": "p", "levels": [{"level_number": 1, "delay_minutes": 5, "notify_email": "a@example.com"}]});
    let made = crate::asking::post(&fleet, "/customer/escalation-policies", &policy).await;
    assert_eq!(made.status, 201, "{made:?}");
    crate::asking::delete(&fleet, "/customer/devices/d1/tags/a").await;
    let rows = own(&fleet).await;
    for (action, object) in [
        ("update", "device_registry"),
        ("insert", "device_api_tokens"),
        ("update", "device_api_tokens"),
        ("insert", "escalation_policies"),
        ("insert", "escalation_levels"),
        ("delete", "device_tags"),
    ] {
        assert!(
            rows.iter().any(|row| row["action"] == action && row["object_type"] == object),
            "{action} {object}"
        );
    }
    // Keys alone: no secret, no content.
    let all = text(&fleet, "SELECT string_agg(a::text, ' ') AS s FROM audit_log a").await;
    assert!(!all.contains("a@example.com") && !all.contains("hash"), "{all}");
}

/// A signed token names a person, who is recorded beside the tenant and found by that name. A token of the service's own names no one.
#[tokio::test]
async fn and_with_the_person_whom_a_signed_token_names() {
    let signer = Signer::new("k", Algorithm::EdDSA);
    let (fleet, _provider) = fleet_with(&[&signer]).await;
    let longest = "ä".repeat(127);
    for (person, device) in [("anna", "d1"), (longest.as_str(), "d2")] {
        let token = signer.token(json!({ "sub": person }));
        let body = json!({ "device_id": device }).to_string();
        let ask = Ask::new(&fleet, Method::POST, "/customer/devices").token(&token).body(body);
        assert_eq!(ask.send().await.status, 201);
    }
    created(&fleet, "d3").await;
    let rows = own(&fleet).await;
    let of = |device: &str| {
        let row = rows.iter().find(|row| is(row, "insert", "device_registry", device)).unwrap();
        (row["actor_id"].clone(), row["person"].clone())
    };
    assert_eq!(of("d1"), ("test".into(), "anna".into()));
    assert_eq!(of("d2"), ("test".into(), longest.as_str().into()));
    assert_eq!(of("d3"), ("test".into(), Value::Null));
    let found = items(&fleet, "/operator/audit-log?actor_id=anna").await;
    assert!(!found.is_empty() && found.iter().all(|row| row["person"] == "anna"), "{found:?}");

    // Who acknowledges an alert is the person too.
    let alert = open(&fleet, "test", &cause("f", Severity::High)).await;
    let path = format!("/customer/alerts/{}/acknowledge", alert.id);
    let done = Ask::new(&fleet, Method::PATCH, &path).token(&signer.token(json!({}))).send().await;
    assert_eq!((done.status, &done.body["acknowledged_by"]), (200, &"anna".into()), "{done:?}");
}

#[tokio::test]
async fn what_the_service_does_by_itself_is_no_ones_act() {
    let fleet = service::start().await;
    for n in 0..3 {
        fleet.device.send(&format!("d{n}"), r#"{"t": 1}"#).await.accepted();
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 3);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM audit_log").await, 0);
}

/// Every table that people's requests write to has the triggers; those that have none are named here, each for its reason.
#[tokio::test]
async fn each_table_that_people_write_to_is_watched() {
    let fleet = service::start().await;
    let unwatched = "
        SELECT coalesce(string_agg(c.relname, ' ' ORDER BY c.relname), '') AS s FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
          AND (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE 'audit\\_%') <> 3";
    let unwatched = text(&fleet, unwatched).await;
    let mut unwatched: Vec<&str> = unwatched.split(' ').collect();
    // The record itself; what only the service and devices write; what tells of a write that is recorded; tenants, which only
    // operators write.
    let known = [
        "audit_log",
        "device_state",
        "telemetry",
        "quarantine_events",
        "quarantine_counters_minute",
        "escalation_outbox",
        "delivery_jobs",
        "delivery_attempts",
        "alert_rule_state",
        "alert_rule_work",
        "stored_results",
        "subscription_event_log",
        "token_revocations",
        "tenants",
    ];
    unwatched.retain(|table| !known.contains(table));
    assert_eq!(unwatched, Vec::<&str>::new());
}

#[tokio::test]
async fn what_operators_see_and_do_is_recorded_and_what_they_are_refused_too() {
    let fleet = service::start().await;
    operate(&fleet, "GET", "/operator/devices?tenant_id=test", None).await;
    operate(&fleet, "POST", "/operator/tenants", Some(json!({"tenant_id": "acme", "name": "A"}))).await;
    operate(&fleet, "POST", "/operator/tenants", Some(json!({"tenant_id": "acme", "name": "A"}))).await;
    let body = json!({"tenant_id": "acme", "type": "MAIN", "device_limit": 5});
    let made = operate(&fleet, "POST", "/operator/subscriptions", Some(body)).await;
    operate(&fleet, "PATCH", "/operator/tenants/acme", Some(json!({"status": "SUSPENDED"}))).await;
    let id = made.body["subscription_id"].as_str().unwrap();
    let rows = items(&fleet, "/operator/audit-log").await;
    let short: Vec<(String, String, String)> = rows.iter().rev().map(told).collect();
    let expected = [
        ("devices.list", "devices", ""),
        ("tenants.create", "tenants", "acme"),
        ("tenants.create", "tenants", "acme"),
        ("subscriptions.create", "subscriptions", id),
        ("tenants.suspend", "tenants", "acme"),
    ];
    assert_eq!(short, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    let refused = &rows[2];
    assert_eq!((&refused["outcome"], &refused["reason"]), (&json!("REFUSED"), &json!("TENANT_EXISTS")));
    assert!(rows.iter().all(|row| row["actor_id"] == "operator" && row["client"] == "127.0.0.1"), "{rows:?}");
    assert!(rows.iter().all(|row| row["request_id"].is_string()));
    // To look at the record is on record.
    let again = items(&fleet, "/operator/audit-log?action=audit-log.list").await;
    assert_eq!(again.len(), 1);
    assert_eq!(items(&fleet, "/operator/audit-log?tenant_id=acme").await.len(), 4);
    assert_eq!(items(&fleet, "/operator/audit-log?actor_id=ben").await.len(), 0);
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_not_which_operator_it_was() {
    let fleet = service::start().await;
    other_tenant(&fleet).await;
    created(&fleet, "d1").await;
    operate(&fleet, "GET", "/operator/tenants/test", None).await;
    operate(&fleet, "GET", "/operator/tenants", None).await;
    let rows = own(&fleet).await;
    assert!(is(&rows[0], "tenants.show", "tenants", "test"), "{rows:?}");
    assert_eq!((&rows[0]["actor_id"], &rows[0]["client"]), (&json!(null), &json!(null)));
    assert!(rows.iter().all(|row| row["tenant_id"] == "test"), "what is of all tenants is none's");
    let theirs = fleet.device.get_as(PATH, Some(OTHER)).await;
    assert_eq!((theirs.status, &theirs.body["items"]), (200, &json!([])));
    fleet.device.get_as(PATH, None).await.refused(401, "TOKEN_MISSING");
    // Page by page it is the same.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = fleet.device.get(&format!("/customer/audit-log?limit=1{after}")).await;
        paged.extend(page.body["items"].as_array().unwrap().clone());
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, rows);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_neither_done_nor_shown() {
    let fleet = service::start().await;
    created(&fleet, "d1").await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION full_disk()";
    fleet.database.execute(full).await.unwrap();
    let before = text(&fleet, "SELECT string_agg(d::text, ' ') AS s FROM device_registry d").await;
    assert!(patch(&fleet, "/customer/devices/d1", &json!({"name": "N"})).await.status >= 500);
    assert!(crate::asking::delete(&fleet, "/customer/devices/d1").await.status >= 500);
    assert_eq!(text(&fleet, "SELECT string_agg(d::text, ' ') AS s FROM device_registry d").await, before);
    let look = operate(&fleet, "GET", "/operator/devices", None).await;
    assert!(look.status >= 500 && !look.body.to_string().contains("\"d1\""), "{look:?}");
    let make =
        operate(&fleet, "POST", "/operator/tenants", Some(json!({"tenant_id": "acme", "name": "A"}))).await;
    assert!(make.status >= 500, "{make:?}");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM tenants WHERE tenant_id = 'acme'").await, 0);
    // Devices are no people, and go on.
    fleet.device.send("d2", r#"{"t": 1}"#).await.accepted();
}

#[tokio::test]
async fn what_is_ninety_days_old_is_forgotten_and_nothing_younger() {
    let fleet = service::start().await;
    let rows = "INSERT INTO audit_log (at, tenant_id, actor_type, actor_id, action, object_type, outcome)
                SELECT now() - make_interval(days => days), 'test', 'tenant', 'test', 'insert', 'sites', 'DONE'
                FROM (SELECT 91 AS days FROM generate_series(1, 6000) UNION ALL VALUES (89), (1)) AS d";
    fleet.database.execute(rows).await.unwrap();
    let db = &fleet.running.service().unwrap().pools.ops_worker;
    assert_eq!(forget::once(db).await.unwrap(), 6_000);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM audit_log").await, 2);
    assert_eq!(forget::once(db).await.unwrap(), 0);
}
