//! A broker that holds more than the database can take fills neither the service's memory nor its queue: no more is under
//! way than the window, the rest stays with the broker, and a device that sends over HTTP is served meanwhile. A stop lets what
//! is under way come to its end, and the broker keeps what was not begun.

use crate::mqtt::{self, ALL_ACKS, Devices, reading};
use crate::service::{self, Fleet};
use fleet::ingest::mqtt::standing::Count;
use std::time::{Duration, Instant};

/// A row costs five milliseconds, whatever else the machine does.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN new; END';
    CREATE TRIGGER slow BEFORE INSERT ON telemetry FOR EACH ROW EXECUTE FUNCTION slow()";

#[tokio::test]
async fn to_its_window_by_mosquitto() {
    let (fleet, broker) = mqtt::start_with(|config| config.mqtt.window = 16).await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    devices.send("d1", reading(&fleet, &ts, 0, 0)).await;
    assert_eq!(devices.told().await.status(), "stored");
    let hold = fleet.hold_writes().await;
    for seq in 1..=300 {
        devices.send("d1", reading(&fleet, &ts, seq, seq)).await;
    }
    let standing = fleet.running.shared().mqtt();
    service::until("the window is full", async || standing.under_way() == 16).await;
    assert_eq!(standing.count(Count::Received), 17, "the others are with the broker");
    hold.rollback().await;
    for _ in 0..300 {
        assert_eq!(devices.told().await.status(), "stored");
        assert!(standing.under_way() <= 17, "those that are done with, and a moment");
    }
    assert_eq!(fleet.readings().await, 301);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_does_not_hinder_those_who_come_over_http_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.database.execute(SLOW).await.unwrap();
    for seq in 0..3_000 {
        devices.send("d1", reading(&fleet, &ts, seq, seq)).await;
    }
    let standing = fleet.running.shared().mqtt();
    service::until("there is more than can be taken", async || standing.under_way() >= 30).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let began = Instant::now();
        fleet.device.send("d1", r#"{"t": 2}"#).await.accepted();
        slowest = slowest.max(began.elapsed());
    }
    assert!(standing.count(Count::Stored) < 3_000, "the broker still had some");
    assert!(slowest < Duration::from_secs(10), "{slowest:?} to an answer");
    fleet.database.execute("DROP TRIGGER slow ON telemetry").await.unwrap();
    for _ in 0..3_000 {
        assert_eq!(devices.told().await.status(), "stored");
    }
    assert_eq!(fleet.number("SELECT count(*) AS n FROM telemetry WHERE seq >= 0").await, 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_is_under_way_by_mosquitto() {
    let (fleet, broker) = mqtt::start_with(|config| config.mqtt.window = 4).await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let ts = service::now().to_string();
    devices.send("d1", reading(&fleet, &ts, 0, 0)).await;
    assert_eq!(devices.told().await.status(), "stored");
    let hold = fleet.hold_writes().await;
    for seq in 1..=10 {
        devices.send("d1", reading(&fleet, &ts, seq, seq)).await;
    }
    fleet.until_writes_wait(1).await;
    let shared = fleet.running.shared().clone();
    service::until("the window is full", async || shared.mqtt().under_way() == 4).await;
    let Fleet { running, database, folder, .. } = fleet;
    let stopping = tokio::spawn(running.stop());
    service::until("no message comes any more", async || !shared.mqtt().is_connected()).await;
    hold.rollback().await;
    stopping.await.unwrap();
    for seq in 1..=4 {
        let ack = devices.told().await;
        assert!(ack.status() == "stored" && ack.told["seq"].as_u64().unwrap() <= 4, "{ack:?} for {seq}");
    }
    assert_eq!(service::number(&database, "SELECT count(*) AS n FROM telemetry").await, 5);
    let mut config = service::config(&database.url(), folder.path());
    mqtt::with_broker(&mut config, &broker, "one");
    let running = fleet::start(config).await.unwrap();
    // One of the four comes again where the broker did not hear in time that it is done with.
    let mut told = std::collections::BTreeSet::new();
    while !(5..=10).all(|seq| told.contains(&seq)) {
        let ack = devices.told().await;
        assert!(matches!(ack.status(), "stored" | "duplicate"), "{ack:?}");
        told.insert(ack.told["seq"].as_u64().unwrap());
    }
    assert_eq!(service::number(&database, "SELECT count(*) AS n FROM telemetry").await, 11);
    running.stop().await;
}
