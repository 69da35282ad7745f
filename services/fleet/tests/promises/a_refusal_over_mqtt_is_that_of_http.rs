//! What is wrong with a message is told by the same code over MQTT as over HTTP, and nothing of it is stored. The broker is told
//! that it is done with, so that it does not come again; a device is told whether to send it again.

use crate::bad_input_gets_a_4xx_and_stores_nothing::bad_bodies;
use crate::mqtt::{self, ALL_ACKS, Devices, reading, reading_with, telemetry};
use crate::service::{self, Fleet};
use fleet::ingest::mqtt::standing::Count;
use rumqttc::QoS;

/// The body with the token that is a header over HTTP.
fn with_token(key: &str, body: &[u8]) -> Vec<u8> {
    match body.strip_prefix(b"{") {
        Some(b"}") => format!(r#"{{"provision_token":"{key}"}}"#).into_bytes(),
        Some(rest) => [format!(r#"{{"provision_token":"{key}","#).as_bytes(), rest].concat(),
        None => body.to_vec(),
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_the_message_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let key = &fleet.device.key;
    // What is larger than what the service reads at all, the broker drops.
    let all: Vec<_> = bad_bodies().into_iter().filter(|(.., body)| body.len() < 60_000).collect();
    for (what, _, code, body) in &all {
        devices.send("d1", with_token(key, body)).await;
        let ack = devices.told().await;
        // A body that is too large does not come as far as the message's rules over HTTP.
        let code = if *code == "PL-HTTP-02" { "PAYLOAD_TOO_LARGE" } else { code };
        assert_eq!((ack.status(), ack.code()), ("refused", code), "{what}: {ack:?}");
        assert_eq!(ack.told["send_again"], false, "{what}");
        assert!(ack.told["detail"].as_str().is_some_and(|detail| !detail.contains(key.as_str())), "{ack:?}");
    }
    assert_eq!(fleet.readings().await, 0);
    let refused = fleet.running.shared().mqtt().count(Count::Refused);
    assert_eq!(refused, u64::try_from(all.len()).unwrap());
}

/// The code that each way tells.
async fn both(
    fleet: &Fleet,
    devices: &mut Devices,
    device: &str,
    key: &str,
    ts: &str,
    value: u64,
) -> [String; 2] {
    let path = format!("/ingest/tenant/test/device/{device}/telemetry");
    let body = format!(r#"{{"ts":"{ts}","seq":1,"metrics":{{"t":{value}}}}}"#);
    let answer = fleet.device.send_to(&path, Some(key), body).await;
    devices.send(device, reading_with(key, ts, 1, value)).await;
    let ack = devices.told().await;
    assert_eq!(ack.status(), "refused", "{ack:?}");
    assert_eq!((&ack.told["seq"], &ack.told["ts"]), (&1.into(), &ts.into()), "it says which one");
    [answer.code().to_owned(), ack.code().to_owned()]
}

#[tokio::test]
async fn and_whatever_its_device_may_not_do_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let (key, ts) = (fleet.device.key.clone(), service::now().to_string());
    devices.send("d1", reading(&fleet, &ts, 1, 1)).await;
    assert_eq!(devices.told().await.status(), "stored");
    let conflict = both(&fleet, &mut devices, "d1", &key, &ts, 2).await;
    assert_eq!(conflict, ["READING_CONFLICT"; 2]);
    assert_eq!(both(&fleet, &mut devices, "d1", "wrong", &ts, 1).await, ["TOKEN_INVALID"; 2]);
    for word in fleet::devices::RESERVED_IDS {
        assert_eq!(both(&fleet, &mut devices, word, &key, &ts, 1).await, ["DEVICE_ID_RESERVED"; 2]);
    }
    fleet.database.execute("UPDATE subscriptions SET device_limit = 1").await.unwrap();
    assert_eq!(both(&fleet, &mut devices, "d2", &key, &ts, 1).await, ["NO_SUBSCRIPTION_CAPACITY"; 2]);
    fleet.database.execute("UPDATE device_registry SET status = 'REVOKED'").await.unwrap();
    assert_eq!(both(&fleet, &mut devices, "d1", &key, &ts, 1).await, ["DEVICE_REVOKED"; 2]);
    assert_eq!(fleet.readings().await, 1);
    let kept = "SELECT count(*) AS n FROM quarantine_events WHERE payload LIKE '%provision_token%'";
    assert_eq!(fleet.number(kept).await, 0);
}

#[tokio::test]
async fn what_topic_and_message_say_is_compared_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let key = &fleet.device.key;
    devices.send("d1", reading(&fleet, &service::now().to_string(), 0, 0)).await;
    assert_eq!(devices.told().await.status(), "stored");
    for (field, code) in [
        (r#""tenant_id":"other","#, "TENANT_MISMATCH_TOPIC_VS_PAYLOAD"),
        (r#""device_id":"other","#, "DEVICE_MISMATCH_TOPIC_VS_PAYLOAD"),
        (r#""msg_type":"other","#, "INVALID_MSG_TYPE"),
        (r#""site_id":"elsewhere","#, "SITE_MISMATCH"),
    ] {
        devices.send("d1", format!(r#"{{{field}"provision_token":"{key}","metrics":{{"t":1}}}}"#)).await;
        assert_eq!(devices.told().await.code(), code);
    }
    devices.send("d1", r#"{"metrics":{"t":1}}"#).await;
    assert_eq!(devices.told().await.code(), "TOKEN_MISSING");
    devices.publish("tenant/test/device/d1/telemetri", reading(&fleet, "2025-01-01T00:00:00Z", 1, 1)).await;
    assert_eq!(devices.told().await.code(), "INVALID_MSG_TYPE");
    // A topic of another form has nowhere to be answered; it is counted.
    for topic in ["tenant/test/device/a b/telemetry", "tenant/te st/device/d1/telemetry"] {
        devices.publish(topic, reading(&fleet, "2025-01-01T00:00:00Z", 1, 1)).await;
    }
    let sql = "SELECT coalesce(sum(cnt), 0)::bigint AS n FROM quarantine_counters_minute
               WHERE reason = 'BAD_TOPIC_FORMAT' AND tenant_id = 'test'";
    service::until("the topic is counted", async || fleet.number(sql).await == 1).await;
    service::until("so is that of no tenant", async || fleet.running.shared().quarantine().strangers() == 1)
        .await;
    let wholly = r#""tenant_id":"test","device_id":"d1","msg_type":"telemetry","site_id":"default","#;
    devices.send("d1", format!(r#"{{{wholly}"provision_token":"{key}","metrics":{{"t":1}}}}"#)).await;
    assert_eq!(devices.told().await.status(), "stored");
    assert_eq!(fleet.readings().await, 2);
}

#[tokio::test]
async fn one_that_comes_too_often_is_told_when_to_come_again_by_mosquitto() {
    let (fleet, broker) = mqtt::start_with(|config| {
        (config.ingest.rate.rate, config.ingest.rate.burst) = (0.1, 3.0);
    })
    .await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    for seq in 0..4 {
        devices.send("d1", reading(&fleet, &ts, seq, seq)).await;
        let ack = devices.told().await;
        let expected = if seq < 3 { ("stored", "") } else { ("refused", "RATE_LIMITED") };
        assert_eq!((ack.status(), ack.code()), expected);
        if seq == 3 {
            assert_eq!(ack.told["send_again"], true);
            assert!(ack.told["retry_after_ms"].as_u64().unwrap() > 1_000, "{ack:?}");
        }
    }
}

/// What a broker keeps for newcomers, what it promises nothing of, and what is too large for anyone.
#[tokio::test]
async fn other_ways_to_publish_do_no_harm_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    devices.send("d1", vec![b' '; 100_000]).await;
    devices.publish_as(QoS::AtLeastOnce, true, &telemetry("d1"), reading(&fleet, &ts, 1, 1)).await;
    let ack = devices.told().await;
    assert_eq!((ack.status(), &ack.told["seq"]), ("stored", &1.into()), "the broker dropped the large one");
    // An empty message takes back what was kept; it is no reading.
    devices.publish_as(QoS::AtLeastOnce, true, &telemetry("d1"), "").await;
    assert_eq!(devices.told().await.code(), "INVALID_JSON");
    for (qos, seq) in [(QoS::AtMostOnce, 2), (QoS::ExactlyOnce, 3)] {
        devices.publish_as(qos, false, &telemetry("d1"), reading(&fleet, &ts, seq, seq)).await;
        let ack = devices.told().await;
        assert_eq!((ack.status(), &ack.told["seq"]), ("stored", &seq.into()), "{qos:?}");
    }
    // One without a time would be another reading each time that the service came back.
    let kept = format!(r#"{{"provision_token":"{}","t":1}}"#, fleet.device.key);
    devices.publish_as(QoS::AtLeastOnce, true, &telemetry("d1"), kept).await;
    assert_eq!(devices.told().await.status(), "stored");
    let Fleet { running, database, folder, device, .. } = fleet;
    running.stop().await;
    let mut config = service::config(&database.url(), folder.path());
    // New to the broker. In the group of the first it would get half of what comes, since that one's session is kept.
    mqtt::with_broker(&mut config, &broker, "two");
    config.mqtt.group = "another".to_owned();
    let running = fleet::start(config).await.unwrap();
    service::until("it is connected", async || running.shared().mqtt().is_connected()).await;
    devices.send("d1", reading_with(&device.key, &ts, 9, 9)).await;
    assert_eq!(devices.told().await.told["seq"], 9);
    assert_eq!(service::number(&database, "SELECT count(*) AS n FROM telemetry").await, 5);
    running.stop().await;
}
