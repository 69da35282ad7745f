//! A message from the broker that is no JSON, or no UTF-8, is logged in its own words, counted under its own name and goes no
//! further; the next one is taken as if nothing had been. What it says is not in the log.

use crate::log::Log;
use crate::mqtt::{self, ALL_ACKS, Devices, reading};
use crate::service::{self, Fleet};
use fleet::ingest::mqtt::standing::Count;
use tracing::Level;

const PLANTED: &str = "hiddenword";

async fn counted(fleet: &Fleet, reason: &str) -> i64 {
    let sql = format!(
        "SELECT coalesce(sum(cnt), 0)::bigint AS n FROM quarantine_counters_minute WHERE reason = '{reason}'"
    );
    fleet.number(&sql).await
}

/// In a test of one thread, so that the service's tasks log to it as well.
#[tokio::test]
async fn each_with_its_warning_and_its_counter_by_mosquitto() {
    let (log, _guard) = Log::start();
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let standing = fleet.running.shared().mqtt();
    devices.send("d1", reading(&fleet, &service::now().to_string(), 0, 0)).await;
    assert_eq!(devices.told().await.status(), "stored");

    devices.send("d1", format!("{{\"provision_token\": \"{PLANTED}\", \"t\": {PLANTED}}}")).await;
    let ack = devices.told().await;
    assert_eq!((ack.status(), ack.code()), ("refused", "INVALID_JSON"));
    assert_eq!((standing.count(Count::InvalidJson), standing.count(Count::InvalidEncoding)), (1, 0));
    let words = "Invalid JSON in MQTT message: expected value at line 1 column 40";
    assert!(log.mentions(Level::WARN, words), "{}", log.text());

    devices.send("d1", [b"{\"", PLANTED.as_bytes(), b"\": \xff}"].concat()).await;
    let ack = devices.told().await;
    assert_eq!((ack.status(), ack.code()), ("refused", "INVALID_JSON"));
    assert_eq!((standing.count(Count::InvalidJson), standing.count(Count::InvalidEncoding)), (1, 1));
    let words = "Invalid encoding in MQTT message: invalid utf-8 sequence of 1 bytes from index 15";
    assert!(log.mentions(Level::WARN, words), "{}", log.text());
    assert!(!log.text().contains(PLANTED), "{}", log.text());

    for reason in ["INVALID_JSON", "INVALID_ENCODING"] {
        service::until(reason, async || counted(&fleet, reason).await == 1).await;
    }
    devices.send("d1", reading(&fleet, &service::now().to_string(), 1, 1)).await;
    assert_eq!(devices.told().await.status(), "stored");
    assert_eq!(fleet.readings().await, 2);
}

/// Nothing of what follows is begun: no device is looked for, so none has a place in the table of rates, and no database
/// is needed.
#[tokio::test]
async fn nothing_is_asked_of_the_database_by_mosquitto() {
    let (fleet, broker) = mqtt::start().await;
    let mut devices = Devices::connect(&broker, ALL_ACKS).await;
    let tries = [&b""[..], b"{", b"NaN", b"t=1", b"[1,]", b"{\"t\": 1} x", b"\xff", b"{\"t\": \"\xc3\"}"];
    for payload in tries {
        devices.send("new", payload).await;
        assert_eq!(devices.told().await.code(), "INVALID_JSON", "{payload:?}");
    }
    let standing = fleet.running.shared().mqtt();
    assert_eq!((standing.count(Count::InvalidJson), standing.count(Count::InvalidEncoding)), (6, 2));
    assert_eq!(fleet.running.shared().rate().buckets(), 0);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 0);
}
