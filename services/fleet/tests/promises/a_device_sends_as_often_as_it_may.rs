//! A device sends so many messages a second and so many at once; one more is told 429 and when to come again, and is not stored.
//! A device that keeps to it, and every other device, goes on. A stranger can neither use up a device's share nor make the
//! service remember devices that do not exist.

use crate::log::Log;
use crate::service::{self, Device, Fleet};
use fleet::ingest::rate::buckets::BucketSettings;
use std::time::Duration;

const BUCKETS: BucketSettings = BucketSettings {
    rate: 0.05,
    burst: 5.0,
    ttl: Duration::from_secs(3600),
    cleanup: Duration::from_secs(300),
    most: 1000,
    most_of_tenant: 500,
};

async fn start(change: impl FnOnce(&mut BucketSettings)) -> Fleet {
    let mut settings = BUCKETS;
    change(&mut settings);
    service::start_with(|config| config.ingest.rate = settings).await
}

#[tokio::test]
async fn and_one_more_is_told_when_to_come_again() {
    let fleet = start(|_| {}).await;
    for _ in 0..5 {
        fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    }
    let answer = fleet.device.send("d1", r#"{"t": 1}"#).await;
    answer.refused(429, "RATE_LIMITED");
    let after = answer.retry_after.expect("it is told when");
    assert!((10..=45).contains(&after), "a token comes in 20 s at most: {after}");
    fleet.device.send("d2", r#"{"t": 1}"#).await.accepted();
    assert_eq!(fleet.readings().await, 6);
}

/// What is no message costs as well.
#[tokio::test]
async fn whatever_it_sends() {
    let fleet = start(|_| {}).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    for _ in 0..4 {
        fleet.device.send("d1", "{").await.refused(400, "INVALID_JSON");
    }
    fleet.device.send("d1", "{").await.refused(429, "RATE_LIMITED");
}

#[tokio::test]
async fn after_the_time_it_sends_again() {
    let fleet = start(|settings| (settings.rate, settings.burst) = (2.0, 1.0)).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    fleet.device.send("d1", r#"{"t": 1}"#).await.refused(429, "RATE_LIMITED");
    service::until("it may send again", async || fleet.device.send("d1", r#"{"t": 1}"#).await.status == 202)
        .await;
}

#[tokio::test]
async fn a_stranger_takes_nothing_from_it() {
    let fleet = start(|_| {}).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let rate = fleet.running.shared().rate();
    assert_eq!(rate.buckets(), 1);
    let stranger = Device { key: "x".repeat(43), ..fleet.device.clone() };
    for n in 0..20 {
        stranger.send("d1", r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
        stranger.send(&format!("forged{n}"), r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
        let other = format!("/ingest/tenant/forged{n}/device/d1/telemetry");
        stranger.send_to(&other, Some("x"), r#"{"t": 1}"#).await.refused(401, "TOKEN_INVALID");
    }
    assert_eq!(rate.buckets(), 1, "none is remembered that proved nothing");
    for _ in 0..4 {
        fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    }
    fleet.device.send("d1", r#"{"t": 1}"#).await.refused(429, "RATE_LIMITED");
}

/// The database is not asked about a device that sends too often.
#[tokio::test]
async fn one_that_sends_too_often_costs_the_database_nothing() {
    let fleet = start(|_| {}).await;
    for _ in 0..5 {
        fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    }
    let ingest = &fleet.running.service().unwrap().pools.ingest;
    let before = ingest.pool_status().acquired;
    for _ in 0..20 {
        fleet.device.send("d1", r#"{"t": 1}"#).await.refused(429, "RATE_LIMITED");
    }
    assert_eq!(ingest.pool_status().acquired, before);
}

/// In a test of one thread, so that the service's tasks log to it as well.
#[tokio::test]
async fn what_is_remembered_of_devices_that_went_is_cleaned_up() {
    let (log, _guard) = Log::start();
    let fleet = start(|settings| {
        (settings.ttl, settings.cleanup) = (Duration::from_millis(300), Duration::from_millis(100));
    })
    .await;
    for n in 0..3 {
        fleet.device.send(&format!("d{n}"), r#"{"t": 1}"#).await.accepted();
    }
    let rate = fleet.running.shared().rate();
    assert!(rate.buckets() >= 1);
    service::until("they are forgotten", async || {
        fleet.device.send("d9", "{\"t\": 1}").await;
        rate.buckets() == 1
    })
    .await;
    assert!(
        log.text().contains("Cleaned up ") && log.text().contains(" stale token buckets"),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn the_memory_for_it_is_bounded() {
    let fleet = start(|settings| settings.most_of_tenant = 4).await;
    for n in 0..20 {
        fleet.device.send(&format!("d{n}"), r#"{"t": 1}"#).await.accepted();
    }
    assert_eq!(fleet.running.shared().rate().buckets(), 4);
}
