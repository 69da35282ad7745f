//! A device is ONLINE while it was heard of just now, STALE a while later, and OFFLINE then, whenever it is asked for: the state
//! follows from one time, which is kept with each batch that is stored. A heartbeat counts as a reading does, and leaves none.

use crate::asking::{delete, other_tenant, text};
use crate::service::{self, Fleet};
use fleet::devices::state::{DeviceState, StateLimits};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const LIST: &str = "/customer/devices";
const LIMITS: StateLimits = StateLimits { online: Duration::from_secs(60), stale: Duration::from_secs(3600) };

async fn start() -> Fleet {
    // What is noted has no part in what is shown; so it is not noted at all here.
    service::start_with(|config| {
        config.device_state.limits = LIMITS;
        config.device_state.poll = Duration::from_secs(3600);
    })
    .await
}

/// The device was heard of so many seconds before now.
async fn was_seen(fleet: &Fleet, device: &str, ago: &str) {
    let sql = format!(
        "UPDATE device_state SET last_seen_at = now() - interval '{ago}', last_telemetry_at = now() - interval '{ago}',
                                 last_heartbeat_at = now() - interval '{ago}'
         WHERE device_id = '{device}'"
    );
    fleet.database.execute(&sql).await.unwrap();
}

async fn shown(fleet: &Fleet, device: &str) -> Value {
    let answer = fleet.device.get(&format!("{LIST}/{device}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn ids(fleet: &Fleet, query: &str) -> Vec<String> {
    let answer = fleet.device.get(&format!("{LIST}?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let devices = answer.body["devices"].as_array().unwrap().iter();
    devices.map(|device| device["device_id"].as_str().unwrap().to_owned()).collect()
}

async fn beat(fleet: &Fleet, device: &str, body: &str) -> service::Answer {
    let path = format!("/ingest/v1/tenant/test/device/{device}/heartbeat");
    fleet.device.send_to(&path, Some(&fleet.device.key), body.to_owned()).await
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_reading_and_a_heartbeat_are_heard_and_a_refused_message_is_not() {
    let fleet = start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    beat(&fleet, "d2", "").await.accepted();
    for device in ["d1", "d2"] {
        was_seen(&fleet, device, "1 day").await;
        assert_eq!(shown(&fleet, device).await["state"], "OFFLINE", "{device}");
    }
    let before = service::now();
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    assert_eq!(beat(&fleet, "d2", r#"{"seq": 7}"#).await.accepted()["seq"], 7);
    for device in ["d1", "d2"] {
        let now = shown(&fleet, device).await;
        assert_eq!(now["state"], "ONLINE", "{now}");
        assert!(
            time(&now["last_seen_at"]) >= before - SignedDuration::from_millis(50),
            "{now} after {before}"
        );
    }
    assert_eq!(fleet.readings().await, 2, "a heartbeat is no reading");
    let kinds = "SELECT count(*) AS n FROM device_state WHERE (device_id = 'd1') = (last_telemetry_at > now() - interval '1 h')
                 AND (device_id = 'd2') = (last_heartbeat_at > now() - interval '1 h')";
    assert_eq!(fleet.number(kinds).await, 2, "each by its own kind of message");

    // What is refused says nothing of its device.
    was_seen(&fleet, "d1", "1 day").await;
    fleet.device.send("d1", r#"{"t": "hot"}"#).await.refused(400, "METRIC_VALUE_INVALID");
    beat(&fleet, "d1", r#"{"battery": 3}"#).await.refused(400, "HEARTBEAT_WITH_MORE");
    let wrong = "/ingest/v1/tenant/test/device/d1/heartbeat";
    assert_eq!(fleet.device.send_to(wrong, Some("wrong"), "").await.status, 401);
    assert_eq!(shown(&fleet, "d1").await["state"], "OFFLINE");
    // What was sent again does.
    let body = format!(r#"{{"ts": "{}", "seq": 1, "metrics": {{"t": 1}}}}"#, service::now());
    fleet.device.send("d1", body.clone()).await.accepted();
    was_seen(&fleet, "d1", "1 day").await;
    assert_eq!(fleet.device.send("d1", body).await.accepted()["duplicate"], true);
    assert_eq!(shown(&fleet, "d1").await["state"], "ONLINE");
}

#[tokio::test]
async fn a_batch_may_hold_both() {
    let fleet = start().await;
    let one = |device: &str, kind: &str, rest: Value| {
        let mut message = json!({ "tenant_id": "test", "device_id": device, "msg_type": kind });
        message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        message
    };
    let messages = [
        one("d1", "heartbeat", json!({})),
        one("d1", "telemetry", json!({ "metrics": { "t": 1 } })),
        one("d2", "heartbeat", json!({ "seq": 3 })),
        one("d2", "alarm", json!({})),
        one("d3", "heartbeat", json!({ "metrics": { "t": 1 } })),
    ];
    let body = json!({ "messages": messages }).to_string();
    let answer = fleet.device.send_to("/ingest/v1/batch", Some(&fleet.device.key), body).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(3)), "{answer:?}");
    assert_eq!(answer.body["results"][3]["reason"], "INVALID_MSG_TYPE");
    assert_eq!(answer.body["results"][4]["reason"], "HEARTBEAT_WITH_MORE");
    assert_eq!(fleet.readings().await, 1);
    assert_eq!(ids(&fleet, "state=ONLINE").await, ["d1", "d2"]);
    // What was not taken is kept as what it was.
    let kept = "SELECT count(*) AS n FROM quarantine_events WHERE msg_type = 'heartbeat' AND reason = 'HEARTBEAT_WITH_MORE'";
    let proved =
        json!({ "messages": [one("d1", "heartbeat", json!({ "metrics": { "t": 1 } }))] }).to_string();
    fleet.device.send_to("/ingest/v1/batch", Some(&fleet.device.key), proved).await;
    service::until("it is kept", async || fleet.number(kept).await >= 1).await;
}

#[tokio::test]
async fn the_list_and_its_summary_agree_with_the_rule() {
    let fleet = start().await;
    let ages = ["0 s", "40 s", "80 s", "50 min", "70 min", "30 days", "-5 s"];
    for (number, ago) in ages.into_iter().enumerate() {
        let device = format!("d{number}");
        beat(&fleet, &device, "").await.accepted();
        was_seen(&fleet, &device, ago).await;
    }
    // One that was never heard of, one that is gone, and one of somebody else.
    let more = "INSERT INTO device_registry (tenant_id, device_id, site_id, status) VALUES ('test', 'never', 'default', 'ACTIVE')";
    fleet.database.execute(more).await.unwrap();
    beat(&fleet, "gone", "").await.accepted();
    assert_eq!(delete(&fleet, "/customer/devices/gone").await.status, 200);
    other_tenant(&fleet).await;
    let theirs = "
        INSERT INTO device_registry (tenant_id, device_id, site_id, status) VALUES ('other', 'd0', 'default', 'ACTIVE');
        INSERT INTO device_state (tenant_id, device_id, last_seen_at) VALUES ('other', 'd0', now() - interval '1 day');
        INSERT INTO device_state (tenant_id, device_id, last_seen_at) VALUES ('other', 'never', now())";
    fleet.database.execute(theirs).await.unwrap();

    let all = fleet.device.get(LIST).await.body;
    let now = service::now();
    for device in all["devices"].as_array().unwrap() {
        let seen = device["last_seen_at"].as_str().map(|text| text.parse().unwrap());
        assert_eq!(device["state"], DeviceState::at(seen, now, LIMITS).as_str(), "{device}");
    }
    let online = ["d0", "d1", "d6"];
    assert_eq!(ids(&fleet, "state=ONLINE").await, online);
    assert_eq!(ids(&fleet, "status=ONLINE&status=ACTIVE").await, online);
    assert_eq!(ids(&fleet, "state=STALE").await, ["d2", "d3"]);
    assert_eq!(ids(&fleet, "status=OFFLINE").await, ["d4", "d5", "never"]);
    assert_eq!(ids(&fleet, "status=OFFLINE&status=PENDING").await, Vec::<String>::new());
    assert!(shown(&fleet, "never").await["last_seen_at"].is_null());
    for path in ["/customer/devices/summary", "/api/v1/customer/devices/summary"] {
        let summary = fleet.device.get(path).await.body;
        assert_eq!(summary, json!({ "total": 8, "ONLINE": 3, "STALE": 2, "OFFLINE": 3 }), "{path}");
    }
    let theirs = fleet.device.get_as("/customer/devices/summary", Some(crate::asking::OTHER)).await.body;
    assert_eq!(theirs, json!({ "total": 1, "ONLINE": 0, "STALE": 0, "OFFLINE": 1 }));
    fleet.device.get_as("/customer/devices/summary", None).await.refused(401, "TOKEN_MISSING");
    for query in ["state=GONE", "state=ACTIVE", "state=ONLINE&status=STALE"] {
        fleet.device.get(&format!("{LIST}?{query}")).await.refused(400, "BAD_FIELD");
    }
    let first = fleet.device.get(&format!("{LIST}?state=ONLINE&limit=1")).await;
    let cursor = first.body["next"].as_str().unwrap();
    assert_eq!(ids(&fleet, &format!("state=ONLINE&after={cursor}")).await, ["d1", "d6"]);
    fleet.device.get(&format!("{LIST}?state=STALE&after={cursor}")).await.refused(400, "BAD_CURSOR");
}

#[tokio::test]
async fn the_last_reading_is_the_newest_and_is_told_as_it_was_sent() {
    let fleet = start().await;
    beat(&fleet, "d1", "").await.accepted();
    assert!(shown(&fleet, "d1").await["last_reading"].is_null());
    let hour = |ago: i64| service::now() - SignedDuration::from_hours(ago);
    let newest = hour(1);
    for (ts, seq, metrics) in
        [(newest, 2, r#"{"t": 21.50}"#), (newest, 1, r#"{"t": 1}"#), (hour(50), 9, r#"{"t": 3}"#)]
    {
        let body = format!(r#"{{"ts": "{ts}", "seq": {seq}, "metrics": {metrics}}}"#);
        fleet.device.send("d1", body).await.accepted();
    }
    let url = format!("{}{LIST}/d1", fleet.device.url);
    let answer = fleet.device.http.get(url).bearer_auth(&fleet.device.token).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(text.contains(r#""metrics":{"t": 21.50}"#), "{text}");
    let last = serde_json::from_str::<Value>(&text).unwrap()["last_reading"].clone();
    assert_eq!((time(&last["ts"]), &last["seq"]), (newest, &json!(2)), "{last}");
}

/// One change a second for a device, on the page where the row is.
#[tokio::test]
async fn a_device_that_sends_often_changes_its_row_once_a_second() {
    let fleet = start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let version = "SELECT xmin::text::bigint AS n FROM device_state";
    // Seen a moment ago, however long the moment takes here.
    fleet
        .database
        .execute("UPDATE device_state SET last_telemetry_at = now() + interval '1 h'")
        .await
        .unwrap();
    let before = fleet.number(version).await;
    fleet.device.send("d1", r#"{"t": 2}"#).await.accepted();
    assert_eq!(fleet.number(version).await, before);
    beat(&fleet, "d1", "").await.accepted();
    assert_ne!(fleet.number(version).await, before, "the other kind was not noted yet");

    // A change stays on its page: there is room, and no index holds a column that changes.
    let indexed = "SELECT string_agg(attname, ' ' ORDER BY attnum) AS s FROM pg_attribute
                   WHERE attrelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'device_state'::regclass)";
    assert_eq!(text(&fleet, indexed).await, "tenant_id device_id");
    let room = "SELECT array_to_string(reloptions, ' ') AS s FROM pg_class WHERE relname = 'device_state'";
    assert!(text(&fleet, room).await.contains("fillfactor=70"));
}

/// Two instances write batches of the same devices, in opposite orders.
#[tokio::test]
async fn batches_of_the_same_devices_do_not_deadlock() {
    let first = start().await;
    let config = service::config(&first.database.url(), first.folder.path());
    let second = fleet::start(config).await.unwrap();
    second.ready().await.unwrap();
    let of_second = service::Device::of(second.url(), first.reached.demo.clone().unwrap());
    let batch = |is_turned: bool, round: i64| {
        let mut messages: Vec<Value> = (0..60)
            .map(|n| json!({ "tenant_id": "test", "device_id": format!("d{n:02}"), "seq": round, "metrics": { "t": 1 } }))
            .collect();
        if is_turned {
            messages.reverse();
        }
        json!({ "messages": messages }).to_string()
    };
    let send = async |device: &service::Device, is_turned: bool, round: i64| {
        let answer = device.send_to("/ingest/v1/batch", Some(&device.key), batch(is_turned, round)).await;
        assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(60)), "{answer:?}");
    };
    send(&first.device, false, 0).await;
    for round in 1..8 {
        first.database.execute("UPDATE device_state SET last_telemetry_at = NULL").await.unwrap();
        tokio::join!(send(&first.device, false, round), send(&of_second, true, round));
    }
    let deadlocks = "SELECT deadlocks AS n FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(first.number(deadlocks).await, 0);
    assert_eq!(
        first.number("SELECT count(*) AS n FROM device_state WHERE last_telemetry_at IS NULL").await,
        0
    );
    second.stop().await;
}
