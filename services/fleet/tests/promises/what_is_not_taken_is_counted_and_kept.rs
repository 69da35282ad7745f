//! A message that is refused for good is counted by the minute and its reason, and kept to be looked at. A device that is
//! registered by its first message is not in quarantine with it. None of that takes a connection from the requests.

use crate::log::Log;
use crate::service::{self, Device, Fleet};
use fleet::Source;
use plimsoll::Settings;
use tokio::task::JoinSet;

async fn counted(fleet: &Fleet, reason: &str) -> i64 {
    let sql = format!(
        "SELECT coalesce(sum(cnt), 0)::bigint AS n FROM quarantine_counters_minute WHERE reason = '{reason}'"
    );
    fleet.number(&sql).await
}

async fn kept(fleet: &Fleet, reason: &str) -> i64 {
    fleet.number(&format!("SELECT count(*) AS n FROM quarantine_events WHERE reason = '{reason}'")).await
}

async fn until_counted(fleet: &Fleet, reason: &str, count: i64) {
    service::until(&format!("{reason} is counted"), async || counted(fleet, reason).await >= count).await;
    assert_eq!(counted(fleet, reason).await, count);
}

#[tokio::test]
async fn with_its_reason() {
    let fleet = service::start().await;
    let ts = service::now();
    let of = |value: i64| format!(r#"{{"ts":"{ts}","metrics":{{"t":{value}}}}}"#);
    fleet.device.send("d1", of(1)).await.accepted();
    for _ in 0..3 {
        fleet.device.send("d1", r#"{"t": "warm"}"#).await.refused(400, "METRIC_VALUE_INVALID");
    }
    fleet.device.send("d1", of(2)).await.refused(409, "READING_CONFLICT");
    fleet
        .device
        .send("d1", r#"{"site_id":"elsewhere","metrics":{"t":1}}"#)
        .await
        .refused(400, "SITE_MISMATCH");
    fleet.database.execute("UPDATE device_registry SET status = 'REVOKED'").await.unwrap();
    fleet.device.send("d1", of(3)).await.refused(403, "DEVICE_REVOKED");
    for (reason, count) in
        [("METRIC_VALUE_INVALID", 3), ("READING_CONFLICT", 1), ("SITE_MISMATCH", 1), ("DEVICE_REVOKED", 1)]
    {
        until_counted(&fleet, reason, count).await;
        assert_eq!(kept(&fleet, reason).await, count, "{reason}");
    }
    let whole =
        "SELECT count(*) AS n FROM quarantine_events WHERE payload = '{\"t\": \"warm\"}' AND device_id = 'd1'
                 AND tenant_id = 'test' AND ingested_at > now() - interval '1 minute'";
    assert_eq!(fleet.number(whole).await, 3);
    let by_minute = "SELECT count(*) AS n FROM quarantine_counters_minute WHERE bucket_minute <> date_trunc('minute', bucket_minute)";
    assert_eq!(fleet.number(by_minute).await, 0);
}

/// What is not UTF-8 and what has a NUL in it is kept as far as it is text.
#[tokio::test]
async fn whatever_its_bytes_are() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    for body in [&b"{\"t\": \xff"[..], b"\0\0", b"", &[b'x'; 8192]] {
        fleet.device.send_as(&[], body.to_vec()).await.refused(400, "INVALID_JSON");
    }
    until_counted(&fleet, "INVALID_JSON", 4).await;
    assert_eq!(kept(&fleet, "INVALID_JSON").await, 4);
}

/// In a test of one thread, so that the service's tasks log to it as well.
#[tokio::test]
async fn and_the_first_message_of_a_new_device_is_not() {
    let (log, _guard) = Log::start();
    let fleet = service::start().await;
    let told = fleet.device.send("new", r#"{"t": 21}"#).await.accepted();
    assert_eq!(told["status"], "accepted");
    assert!(
        log.mentions(tracing::Level::INFO, "Auto-provisioned device new for tenant test"),
        "{}",
        log.text()
    );
    assert_eq!(fleet.number("SELECT count(*) AS n FROM telemetry WHERE device_id = 'new'").await, 1);
    // Something that is counted comes after it, and so all before it is counted by then.
    fleet.device.send("new", "{").await.refused(400, "INVALID_JSON");
    until_counted(&fleet, "INVALID_JSON", 1).await;
    assert_eq!(
        (counted(&fleet, "UNREGISTERED_DEVICE").await, kept(&fleet, "UNREGISTERED_DEVICE").await),
        (0, 0)
    );
    // Where registering was tried and failed, that is the reason.
    fleet.database.execute("UPDATE subscriptions SET device_limit = 1").await.unwrap();
    fleet.device.send("second", r#"{"t": 1}"#).await.refused(403, "NO_SUBSCRIPTION_CAPACITY");
    until_counted(&fleet, "NO_SUBSCRIPTION_CAPACITY", 1).await;
}

#[tokio::test]
async fn a_device_is_unregistered_only_where_it_was_not_to_be_registered() {
    let fleet = service::start_with(|config| config.auto_provision = false).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.refused(403, "UNREGISTERED_DEVICE");
    until_counted(&fleet, "UNREGISTERED_DEVICE", 1).await;
    assert_eq!(kept(&fleet, "UNREGISTERED_DEVICE").await, 1);
}

#[tokio::test]
async fn a_stranger_leaves_no_rows_of_tenants_that_do_not_exist_and_no_messages() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let stranger = Device { key: "x".repeat(43), ..fleet.device.clone() };
    stranger.send("d1", r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
    for n in 0..10 {
        let other = format!("/ingest/tenant/forged{n}/device/d1/telemetry");
        stranger.send_to(&other, Some("x"), r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
    }
    until_counted(&fleet, "TOKEN_INVALID", 1).await;
    assert_eq!(kept(&fleet, "TOKEN_INVALID").await, 0);
    assert_eq!(fleet.running.shared().quarantine().strangers(), 10);
}

#[tokio::test]
async fn where_messages_are_not_to_be_kept_they_are_counted() {
    let fleet = service::start_with(|config| config.ingest.store_rejects = false).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", "{").await.refused(400, "INVALID_JSON");
    until_counted(&fleet, "INVALID_JSON", 1).await;
    assert_eq!(kept(&fleet, "INVALID_JSON").await, 0);
}

#[tokio::test]
async fn what_is_old_or_too_much_goes() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let old = "
        INSERT INTO quarantine_events (tenant_id, ingested_at, device_id, msg_type, reason, payload)
        SELECT 'test', now() - interval '6 days', 'd1', 'telemetry', 'KEPT', '{' FROM generate_series(1, 10010);
        INSERT INTO quarantine_events (tenant_id, ingested_at, device_id, msg_type, reason, payload)
        VALUES ('test', now() - interval '8 days', 'd1', 'telemetry', 'OLD', '{');
        INSERT INTO quarantine_counters_minute VALUES ('test', now() - interval '31 days', 'OLD', 1)";
    fleet.database.execute(old).await.unwrap();
    fleet.device.send("d1", "{").await.refused(400, "INVALID_JSON");
    until_counted(&fleet, "INVALID_JSON", 1).await;
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM quarantine_events").await,
        9_999,
        "ten thousand less the old one"
    );
    assert_eq!((kept(&fleet, "OLD").await, counted(&fleet, "OLD").await), (0, 0));
    assert_eq!(kept(&fleet, "INVALID_JSON").await, 1, "the newest stay");
}

/// With a single connection in each pool, a refusal that wanted a second one would wait for itself.
#[tokio::test]
async fn without_a_second_connection() {
    let fleet = service::start_with(|config| {
        let Source::Given(settings) = &config.database else { panic!("a database is given") };
        config.database = Source::Given(Box::new(Settings::clone(settings).pool_min(1).pool_max(1)));
    })
    .await;
    let ts = service::now().to_string();
    fleet.device.send("d1", format!(r#"{{"ts":"{ts}","metrics":{{"t":0}}}}"#)).await.accepted();
    let mut sending = JoinSet::new();
    for n in 1..=30 {
        let (device, ts) = (fleet.device.clone(), ts.clone());
        sending.spawn(async move {
            match n % 3 {
                0 => device.send("d1", format!(r#"{{"ts":"{ts}","metrics":{{"t":{n}}}}}"#)).await,
                1 => device.send("d1", r#"{"site_id":"elsewhere","metrics":{"t":1}}"#).await,
                _ => device.send("d1", r#"{"t": 1}"#).await,
            }
        });
    }
    let (mut conflicts, mut mismatches, mut stored) = (0, 0, 0);
    for answer in sending.join_all().await {
        match answer.status {
            409 => conflicts += 1,
            400 => mismatches += 1,
            _ => {
                answer.accepted();
                stored += 1;
            }
        }
    }
    assert_eq!((conflicts, mismatches, stored), (10, 10, 10));
    until_counted(&fleet, "READING_CONFLICT", 10).await;
    until_counted(&fleet, "SITE_MISMATCH", 10).await;
}

/// What was noted in the last second is written by the stop.
#[tokio::test]
async fn also_in_the_last_moment() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", "{").await.refused(400, "INVALID_JSON");
    let Fleet { running, database, .. } = fleet;
    running.stop().await;
    let sql = "SELECT count(*) AS n FROM quarantine_counters_minute WHERE reason = 'INVALID_JSON'";
    assert_eq!(service::number(&database, sql).await, 1);
}
