//! A reading that comes from the broker is stored like any other, and its device is told on its own topic, after the COMMIT
//! that holds it and not before. Sent again, it is stored once, and its device is told so.

use crate::mqtt::{self, ALL_ACKS, Devices, reading};
use crate::service;

#[tokio::test]
async fn and_not_before_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    devices.send("d1", reading(&fleet, &ts, 0, 0)).await;
    assert_eq!(devices.told().await.status(), "stored", "and its device is registered");

    let hold = fleet.hold_writes().await;
    devices.send("d1", reading(&fleet, &ts, 1, 1)).await;
    fleet.until_writes_wait(1).await;
    assert!(devices.told_already().is_none(), "it is not stored");
    assert_eq!(fleet.running.shared().mqtt().under_way(), 1);
    hold.rollback().await;
    let ack = devices.told().await;
    assert_eq!(ack.device, "d1");
    assert_eq!(ack.told, serde_json::json!({"status": "stored", "seq": 1, "ts": ts}));
    let stored =
        format!("SELECT count(*) AS n FROM telemetry WHERE seq = 1 AND device_id = 'd1' AND time = '{ts}'");
    assert_eq!(fleet.number(&stored).await, 1);

    devices.send("d1", reading(&fleet, &ts, 1, 1)).await;
    assert_eq!(devices.told().await.told, serde_json::json!({"status": "duplicate", "seq": 1, "ts": ts}));
    assert_eq!(fleet.readings().await, 2);
    let health = fleet.device.get_as("/operator/system/health", Some(&fleet.device.operator)).await;
    let ours = &health.body["components"]["mqtt"];
    assert_eq!((ours["status"].as_str(), ours["stored"].as_u64()), (Some("healthy"), Some(3)), "{health:?}");
}

/// A device that says neither when nor which is told the number that its reading was given.
#[tokio::test]
async fn under_the_number_that_it_was_given_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    devices.send("d1", format!(r#"{{"provision_token":"{}","temperature":25}}"#, fleet.device.key)).await;
    let ack = devices.told().await;
    let seq = ack.told["seq"].as_i64().unwrap();
    assert!(seq < 0 && ack.status() == "stored", "{ack:?}");
    let stored = format!(
        "SELECT count(*) AS n FROM telemetry WHERE seq = {seq} AND metrics = '{{\"temperature\": 25}}'"
    );
    assert_eq!(fleet.number(&stored).await, 1, "without its token");
}

/// What the service was stopped with is stored by its next start, since the broker holds it.
#[tokio::test]
async fn what_came_while_it_was_away_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    let (key, database, folder) = (fleet.device.key.clone(), fleet.database, fleet.folder);
    fleet.running.stop().await;
    for seq in 0..50 {
        devices.send(&format!("d{}", seq % 5), mqtt::reading_with(&key, &ts, seq, seq)).await;
    }
    let mut config = service::config(&database.url(), folder.path());
    mqtt::with_broker(&mut config, &broker, "one");
    let running = fleet::start(config).await.unwrap();
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 50 {
        let ack = devices.told().await;
        assert_eq!(ack.status(), "stored", "{ack:?}");
        told.insert(ack.told["seq"].as_u64().unwrap());
    }
    assert_eq!(service::number(&database, "SELECT count(*) AS n FROM telemetry").await, 50);
    running.stop().await;
}

/// A heartbeat says that its device is there, and is no reading.
#[tokio::test]
async fn and_a_heartbeat_too_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let body = format!(r#"{{"provision_token":"{}","msg_type":"heartbeat"}}"#, fleet.device.key);
    devices.publish("tenant/test/device/d1/heartbeat", body.clone()).await;
    assert_eq!(devices.told().await.status(), "stored");
    assert_eq!(fleet.readings().await, 0);
    let noted =
        "SELECT count(*) AS n FROM device_state WHERE device_id = 'd1' AND last_heartbeat_at IS NOT NULL";
    assert_eq!(fleet.number(noted).await, 1);
    // The topic and the message have to say the same.
    devices.publish("tenant/test/device/d1/telemetry", body).await;
    assert_eq!(devices.told().await.code(), "INVALID_MSG_TYPE");
}
