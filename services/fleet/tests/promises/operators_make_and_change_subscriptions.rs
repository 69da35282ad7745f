//! Operators make subscriptions by the rules of their kinds, and change their limit and state: never below the devices that count,
//! and each change with its event.

use crate::asking::{all_at_once, ask_as, created, text};
use crate::boundaries::{all_or_nothing, install};
use crate::operating::{items, operate};
use crate::service::{self, Answer, Fleet};
use serde_json::{Value, json};

const PATH: &str = "/operator/subscriptions";

async fn make(fleet: &Fleet, body: Value) -> Answer {
    operate(fleet, "POST", PATH, Some(body)).await
}

async fn main_one(fleet: &Fleet) -> String {
    let sql = "SELECT subscription_id AS s FROM subscriptions WHERE tenant_id = 'test' AND subscription_type = 'MAIN'";
    text(fleet, sql).await
}

async fn change(fleet: &Fleet, id: &str, body: Value) -> Answer {
    operate(fleet, "PATCH", &format!("/api/v1{PATH}/test/{id}"), Some(body)).await
}

#[tokio::test]
async fn each_kind_has_its_rules() {
    let fleet = service::start().await;
    let main = main_one(&fleet).await;
    for (kind, status) in [("MAIN", "ACTIVE"), ("TRIAL", "TRIAL"), ("TEMPORARY", "ACTIVE")] {
        let made =
            make(&fleet, json!({"tenant_id": "test", "type": kind, "device_limit": 3, "term_days": 30}))
                .await;
        assert_eq!((made.status, &made.body["status"]), (201, &json!(status)), "{made:?}");
        assert_eq!((&made.body["type"], &made.body["device_limit"]), (&json!(kind), &json!(3)));
        let with_parent = json!({"tenant_id": "test", "type": kind, "device_limit": 3, "parent_id": main});
        make(&fleet, with_parent).await.refused(400, "BAD_PARENT");
    }
    let addon =
        |parent: Value| json!({"tenant_id": "test", "type": "ADDON", "device_limit": 2, "parent_id": parent});
    let made = make(&fleet, addon(json!(main))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let terms = "SELECT (a.term_end = m.term_end)::int AS n FROM subscriptions a JOIN subscriptions m
                 ON m.tenant_id = a.tenant_id AND m.subscription_id = a.parent_id WHERE a.subscription_type = 'ADDON'";
    assert_eq!(fleet.number(terms).await, 1, "an add-on has the term of its main one");
    let addon_id = made.body["subscription_id"].as_str().unwrap().to_owned();
    for wrong in [json!(null), json!("SUB-20000101-00001"), json!(addon_id), json!("x")] {
        make(&fleet, addon(wrong)).await.refused(400, "BAD_PARENT");
    }
    // Another tenant's is none.
    fleet.database.execute("INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o')").await.unwrap();
    let theirs = json!({"tenant_id": "other", "type": "ADDON", "device_limit": 2, "parent_id": main});
    make(&fleet, theirs).await.refused(400, "BAD_PARENT");
    make(&fleet, json!({"tenant_id": "none", "type": "MAIN", "device_limit": 1}))
        .await
        .refused(404, "TENANT_NOT_FOUND");
    assert_eq!(items(&fleet, &format!("{PATH}?tenant_id=test&type=ADDON")).await.len(), 1);
    assert_eq!(items(&fleet, &format!("{PATH}?status=TRIAL")).await.len(), 1);
    let events = "SELECT count(*) AS n FROM subscription_event_log WHERE event_type = 'CREATED' AND actor_type = 'operator'";
    assert_eq!(fleet.number(events).await, 4);
}

#[tokio::test]
async fn those_that_are_made_at_once_have_numbers_of_their_own() {
    let fleet = service::start().await;
    let make = |_| {
        let (device, token) = (fleet.device.clone(), fleet.device.operator.clone());
        async move {
            let body = json!({"tenant_id": "test", "type": "TEMPORARY", "device_limit": 1}).to_string();
            ask_as(&device, Some(&token), "POST", PATH, Some(body)).await
        }
    };
    let answers = all_at_once((0..50).map(make)).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(
        fleet
            .number("SELECT count(DISTINCT subscription_id) AS n FROM subscriptions WHERE tenant_id = 'test'")
            .await,
        51
    );
    // Pages of them miss none.
    let first = operate(&fleet, "GET", &format!("{PATH}?limit=30&tenant_id=test"), None).await;
    let next = first.body["next"].as_str().unwrap();
    let rest = items(&fleet, &format!("{PATH}?limit=30&tenant_id=test&after={next}")).await;
    assert_eq!((first.body["items"].as_array().unwrap().len(), rest.len()), (30, 21));
}

#[tokio::test]
async fn a_limit_is_never_below_what_counts_and_a_state_counts_for_devices() {
    let fleet = service::start().await;
    let id = main_one(&fleet).await;
    let token = created(&fleet, "d1").await;
    created(&fleet, "d2").await;
    change(&fleet, &id, json!({"device_limit": 1})).await.refused(409, "LIMIT_BELOW_COUNT");
    let changed = change(&fleet, &id, json!({"device_limit": 2})).await;
    assert_eq!((changed.status, &changed.body["device_limit"]), (200, &json!(2)), "{changed:?}");
    let full = crate::asking::post(&fleet, "/customer/devices", &json!({"device_id": "d3"})).await;
    full.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    let path = "/ingest/tenant/test/device/d1/telemetry";
    assert_eq!(change(&fleet, &id, json!({"status": "SUSPENDED"})).await.body["status"], "SUSPENDED");
    let stopped = fleet.device.send_to(path, Some(&token), r#"{"t": 1}"#).await;
    assert_eq!(stopped.code(), "SUBSCRIPTION_SUSPENDED", "{stopped:?}");
    assert_eq!(change(&fleet, &id, json!({"status": "ACTIVE"})).await.body["status"], "ACTIVE");
    fleet.device.send_to(path, Some(&token), r#"{"t": 1}"#).await.accepted();
    let events = "SELECT string_agg(event_type, ' ' ORDER BY event_id) AS s FROM subscription_event_log
                  WHERE actor_type = 'operator'";
    assert_eq!(text(&fleet, events).await, "LIMIT_CHANGED STATUS_SUSPENDED STATUS_ACTIVE");
    // What would be turned again within the hour is not put in force.
    let over = "UPDATE subscriptions SET term_start = now() - interval '2 days', term_end = now() - interval '1 day',
                                         status = 'SUSPENDED'";
    fleet.database.execute(over).await.unwrap();
    change(&fleet, &id, json!({"status": "ACTIVE"})).await.refused(409, "TERM_OVER");
    change(&fleet, "SUB-20000101-00001", json!({"status": "ACTIVE"}))
        .await
        .refused(404, "SUBSCRIPTION_NOT_FOUND");
    for wrong in
        [json!({}), json!({"status": "GRACE"}), json!({"device_limit": -1}), json!({"device_limit": 1.5})]
    {
        assert_eq!(change(&fleet, &id, wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_fault_at_any_boundary_leaves_all_or_nothing() {
    let fleet = service::start().await;
    let id = main_one(&fleet).await;
    install(&fleet).await;
    let is_done = |answer: &Answer| (200..300).contains(&answer.status);
    let body = json!({"tenant_id": "test", "type": "TEMPORARY", "device_limit": 1});
    let create = async || make(&fleet, body.clone()).await;
    assert_eq!(all_or_nothing(&fleet, "create subscription", is_done, create).await, 6);
    let both = async || change(&fleet, &id, json!({"device_limit": 7, "status": "SUSPENDED"})).await;
    assert_eq!(all_or_nothing(&fleet, "change subscription", is_done, both).await, 9);
}
