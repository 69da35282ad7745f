//! A device that is not heard of for as long as a rule says has one alert for that silence, whoever looks; it is closed by itself
//! when the device is heard of again.

use crate::asking::{ask, created};
use crate::boundaries::{all_or_nothing, install};
use crate::rules::{alerts, hold_back, listen, rule};
use crate::service::{self, Fleet};
use fleet::alert_rules::silence::{self, Silence};
use serde_json::{Value, json};

/// Whatever was heard of was heard of two minutes earlier.
async fn let_time_pass(fleet: &Fleet) {
    let sql = "
        UPDATE telemetry SET stored_at = stored_at - interval '2 min';
        UPDATE device_registry SET created_at = created_at - interval '2 min';
        UPDATE fleet_alert SET created_at = created_at - interval '2 min';
        UPDATE alert_rules SET updated_at = updated_at - interval '2 min';
        UPDATE device_state SET last_seen_at = last_seen_at - interval '2 min',
            last_telemetry_at = last_telemetry_at - interval '2 min',
            last_heartbeat_at = last_heartbeat_at - interval '2 min'";
    fleet.database.execute(sql).await.unwrap();
}

async fn begin() -> (Fleet, i64) {
    let fleet = service::start().await;
    hold_back(&fleet).await;
    let id = rule(&fleet, json!({ "kind": "NO_HEARTBEAT", "severity": 5 })).await;
    (fleet, id)
}

fn of(opened: usize, closed: usize) -> Option<Silence> {
    Some(Silence { opened, closed })
}

#[tokio::test]
async fn and_closed_when_it_is_heard_of() {
    let (fleet, id) = begin().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(listen(&fleet).await, of(0, 0), "it was just heard of");
    let_time_pass(&fleet).await;
    assert_eq!(listen(&fleet).await, of(1, 0));
    let alert = alerts(&fleet, "OPEN").await[0].clone();
    assert_eq!(
        (&alert["alert_type"], &alert["severity"], &alert["rule_id"]),
        (&"NO_HEARTBEAT".into(), &5.into(), &id.into())
    );
    assert!(alert["summary"].as_str().unwrap().starts_with("silent: d1 was last heard of at "), "{alert}");
    assert!(alert["details"]["last_heard_at"].is_string());
    assert_eq!(listen(&fleet).await, of(0, 0));
    assert_eq!(alerts(&fleet, "OPEN").await[0]["trigger_count"], 1, "one silence is one");
    fleet.device.send("d1", r#"{"t": 2}"#).await.accepted();
    assert_eq!(listen(&fleet).await, of(0, 1));
    let closed = alerts(&fleet, "CLOSED").await;
    assert_eq!(
        (&closed[0]["alert_id"], &closed[0]["details"]["resolved"]["by"]),
        (&alert["alert_id"], &"rule".into())
    );
    // The next silence is another one.
    let_time_pass(&fleet).await;
    assert_eq!(listen(&fleet).await, of(1, 0));
}

#[tokio::test]
async fn and_not_again_after_it_was_closed_by_hand() {
    let (fleet, _) = begin().await;
    created(&fleet, "d1").await;
    let_time_pass(&fleet).await;
    assert_eq!(listen(&fleet).await, of(1, 0));
    let alert = alerts(&fleet, "OPEN").await[0].clone();
    assert!(alert["summary"].as_str().unwrap().contains("never heard of"), "{alert}");
    let close = format!("/customer/alerts/{}/close", alert["alert_id"]);
    assert_eq!(ask(&fleet.device, "PATCH", &close, None).await.status, 200);
    assert_eq!(listen(&fleet).await, of(0, 0));
    fleet.device.send("d1", r#"{"t": 1}"#).await;
    assert_eq!(listen(&fleet).await, of(0, 0));
}

#[tokio::test]
async fn of_devices_that_are_active_and_at_its_sites() {
    let (fleet, id) = begin().await;
    for device in ["d1", "d2", "d3"] {
        created(&fleet, device).await;
    }
    assert_eq!(ask(&fleet.device, "PATCH", "/customer/devices/d3/decommission", None).await.status, 200);
    let_time_pass(&fleet).await;
    assert_eq!(listen(&fleet).await, of(2, 0));
    // One that is put aside is not waited for any more.
    assert_eq!(ask(&fleet.device, "PATCH", "/customer/devices/d1/decommission", None).await.status, 200);
    assert_eq!(listen(&fleet).await, of(0, 1));
    // Another site, and what it has opened is over.
    let elsewhere =
        json!({ "name": "n", "kind": "NO_HEARTBEAT", "duration_seconds": 60, "site_ids": ["elsewhere"] });
    assert_eq!(
        ask(&fleet.device, "PUT", &format!("/customer/alert-rules/{id}"), Some(elsewhere)).await.status,
        200
    );
    assert_eq!(alerts(&fleet, "OPEN").await, Vec::<Value>::new());
    let_time_pass(&fleet).await;
    assert_eq!(listen(&fleet).await, of(0, 0));
}

#[tokio::test]
async fn whole_or_not_at_all() {
    let (fleet, _) = begin().await;
    for device in ["d1", "d2"] {
        fleet.device.send(device, r#"{"t": 1}"#).await.accepted();
    }
    let_time_pass(&fleet).await;
    install(&fleet).await;
    let look = async || listen(&fleet).await;
    assert!(all_or_nothing(&fleet, "open", |done| *done == of(2, 0), look).await >= 8);
    fleet.database.execute("UPDATE faults.chosen SET n = 0").await.unwrap();
    for device in ["d1", "d2"] {
        fleet.device.send(device, r#"{"t": 2}"#).await.accepted();
    }
    assert_eq!(all_or_nothing(&fleet, "close", |done| *done == of(0, 2), look).await, 4);
}

#[tokio::test]
async fn by_two_instances_that_look_at_once() {
    let first = service::start().await;
    let second = fleet::start(service::config(&first.database.url(), first.folder.path())).await.unwrap();
    second.ready().await.unwrap();
    for number in 0..30 {
        created(&first, &format!("d{number}")).await;
    }
    let_time_pass(&first).await;
    rule(&first, json!({ "kind": "NO_HEARTBEAT" })).await;
    let ready = [first.running.service().unwrap(), second.service().unwrap()];
    let looks = ready.iter().flat_map(|ready| [0, 1, 2].map(|_| silence::once(&ready.pools.ops_worker)));
    for look in futures_util::future::join_all(looks).await {
        look.unwrap();
    }
    service::until("each has its alert", async || {
        first.number("SELECT count(*) AS n FROM fleet_alert").await == 30
    })
    .await;
    assert_eq!(first.number("SELECT sum(trigger_count) AS n FROM fleet_alert").await, 30);
    second.stop().await;
}
