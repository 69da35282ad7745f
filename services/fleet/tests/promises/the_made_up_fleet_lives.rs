//! In development a service is a living system from its first minute: devices that send over HTTP and MQTT, little while no one looks,
//! rules that open alerts, and somebody who is on call.

use crate::breaking::Breakable;
use crate::service;
use fleet::boot::mqtt_config::{BrokerSource, MqttConfig};
use serde_json::Value;
use std::time::{Duration, Instant};

async fn get(fleet: &Breakable, path: &str) -> Value {
    let token = fleet.running.ready().await.unwrap().made_up_token.unwrap();
    let answer = fleet.device.get_as(path, Some(&token)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_devices_alerts_and_someone_on_call() {
    let fleet = Breakable::start_with(|config| config.mqtt = MqttConfig::of(BrokerSource::Own)).await;
    let schedules = get(&fleet, "/api/v1/customer/oncall/schedules").await;
    let id = schedules["schedules"][0]["schedule_id"].as_i64().unwrap();
    let current = get(&fleet, &format!("/api/v1/customer/oncall/schedules/{id}/current")).await;
    assert!(["ada@", "grace@", "hedy@"].iter().any(|name| current.to_string().contains(name)), "{current}");
    let rules = get(&fleet, "/api/v1/customer/alert-rules").await;
    assert!(
        rules.to_string().contains("Too hot") && rules.to_string().contains("Silent for a minute"),
        "{rules}"
    );

    // While someone looks there is a reading of every device soon, over HTTP and over MQTT; and one of them gets too hot.
    let mut stream = fleet.watch().await;
    let enough = |view: &Value| view["play"]["acknowledged"].as_u64() >= Some(100);
    let (view, _) = stream.until("readings flow", enough).await;
    assert_eq!((&view["play"]["lost"], &view["play"]["doubled"]), (&0.into(), &0.into()), "{view}");
    let health = fleet.running.shared().mqtt();
    assert!(health.is_connected(), "this machine has a broker");
    service::until("all are online", async || {
        get(&fleet, "/api/v1/customer/devices/summary").await["ONLINE"] == 12
    })
    .await;
    service::until("an alert is open", async || {
        get(&fleet, "/api/v1/customer/alerts").await.to_string().contains("made-up-")
    })
    .await;
    drop(stream);
    fleet.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_sends_little_while_no_one_looks() {
    let fleet = Breakable::start().await;
    let stored = || fleet.running.service().unwrap().writer.stored();
    let mut stream = fleet.watch().await;
    stream.until("readings flow", |view| view["a_second"].as_f64() > Some(10.0)).await;
    drop(stream);
    // What was on its way arrives; from then on it is about one a second.
    let mut window = (stored(), Instant::now());
    service::until("few come, and not none", || {
        let (came, time) = (stored() - window.0, window.1.elapsed());
        if came > 8 {
            window = (stored(), Instant::now());
        }
        std::future::ready(time >= Duration::from_secs(4) && (1..=8).contains(&came))
    })
    .await;
    fleet.running.stop().await;
}
