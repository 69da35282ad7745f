//! Devices that speak MQTT, and a service with a broker. A client here speaks for as many devices as it likes, in the version
//! of MQTT that most devices know (3.1.1), which is not the one that the service speaks.

use crate::service::{self, Fleet};
use fleet::Config;
use fleet::boot::mqtt_config::{BrokerSource, BrokerUrl, MqttConfig};
use plimsoll_embedded::Mosquitto;
use rumqttc::{AsyncClient, ClientError, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What is told of a device's reading.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) device: String,
    pub(crate) told: Value,
}

impl Ack {
    pub(crate) fn status(&self) -> &str {
        self.told["status"].as_str().unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.told["code"].as_str().unwrap_or_default()
    }
}

/// What may wait to be published by one client.
const WAITING: usize = 4_000;

/// Some devices of the tenant `test`, over one connection that is made anew when it is lost: what was to be published by then is
/// gone, as it is with a device that starts again.
pub(crate) struct Devices {
    client: Arc<Mutex<AsyncClient>>,
    acks: mpsc::UnboundedReceiver<Ack>,
    speaking: JoinHandle<()>,
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

impl Devices {
    /// Those whose acks this filter finds, such as `tenant/test/device/+/ack`; ready when it is subscribed to.
    pub(crate) async fn connect(broker: &Mosquitto, acks: &str) -> Self {
        Devices::connect_to(&broker.url(), acks).await
    }

    /// The same with the broker's URL.
    pub(crate) async fn connect_to(broker: &str, acks: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let id = format!("devices-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = BrokerUrl::parse(broker).unwrap();
        let mut options = MqttOptions::new(id, url.host, url.port);
        options.set_credentials(url.user.unwrap(), url.password.unwrap().expose());
        options.set_inflight(100).set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut events) = AsyncClient::new(options.clone(), WAITING);
        let client = Arc::new(Mutex::new(client));
        let (tell, told) = mpsc::unbounded_channel();
        let (ready, mut is_ready) = mpsc::channel(1);
        let (of_task, filter) = (Arc::clone(&client), acks.to_owned());
        let speaking = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        of_task.lock().unwrap().try_subscribe(&filter, QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.try_send(())),
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let device = publish.topic.split('/').nth(3).unwrap_or_default().to_owned();
                        let told = serde_json::from_slice(&publish.payload).unwrap();
                        if tell.send(Ack { device, told }).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    // The broker is away.
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        let (client, anew) = AsyncClient::new(options.clone(), WAITING);
                        events = anew;
                        *of_task.lock().unwrap() = client;
                    }
                }
            }
        });
        tokio::time::timeout(service::PATIENCE, is_ready.recv()).await.unwrap().unwrap();
        Devices { client, acks: told, speaking }
    }

    /// Publishes to a topic, with QoS 1.
    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.publish_as(QoS::AtLeastOnce, false, topic, payload).await;
    }

    /// The same, if there is room for it now.
    pub(crate) fn try_publish(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<(), ClientError> {
        self.client.lock().unwrap().try_publish(topic, QoS::AtLeastOnce, false, payload.into())
    }

    pub(crate) async fn publish_as(&self, qos: QoS, retain: bool, topic: &str, payload: impl Into<Vec<u8>>) {
        let client = self.client.lock().unwrap().clone();
        client.publish(topic, qos, retain, payload.into()).await.unwrap();
    }

    /// Sends a reading of a device.
    pub(crate) async fn send(&self, device: &str, payload: impl Into<Vec<u8>>) {
        self.publish(&telemetry(device), payload).await;
    }

    /// The next thing that a device is told.
    pub(crate) async fn told(&mut self) -> Ack {
        tokio::time::timeout(service::PATIENCE, self.acks.recv())
            .await
            .expect("no device was told anything")
            .unwrap()
    }

    /// The next thing, if it is told within this time.
    pub(crate) async fn told_within(&mut self, time: Duration) -> Option<Ack> {
        tokio::time::timeout(time, self.acks.recv()).await.ok().flatten()
    }

    /// What was told already.
    pub(crate) fn told_already(&mut self) -> Option<Ack> {
        self.acks.try_recv().ok()
    }
}

/// The topic of a device's readings.
pub(crate) fn telemetry(device: &str) -> String {
    format!("tenant/test/device/{device}/telemetry")
}

/// All that is told to devices of the tenant `test`.
pub(crate) const ALL_ACKS: &str = "tenant/test/device/+/ack";

/// A reading of this time and number, with the key of the first tenant.
pub(crate) fn reading(fleet: &Fleet, ts: &str, seq: u64, value: u64) -> String {
    reading_with(&fleet.device.key, ts, seq, value)
}

pub(crate) fn reading_with(key: &str, ts: &str, seq: u64, value: u64) -> String {
    format!(r#"{{"provision_token":"{key}","ts":"{ts}","seq":{seq},"metrics":{{"t":{value}}}}}"#)
}

/// A configuration with this broker, under this name.
pub(crate) fn with_broker(config: &mut Config, broker: &Mosquitto, client_id: &str) {
    config.mqtt = MqttConfig::of(BrokerSource::Given(BrokerUrl::parse(&broker.url()).unwrap()));
    config.mqtt.client_id = Some(client_id.to_owned());
}

/// A service with a broker, to which it is connected.
pub(crate) async fn start() -> (Fleet, Mosquitto) {
    start_with(|_| {}).await
}

/// The same, with a configuration that `change` has changed.
pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> (Fleet, Mosquitto) {
    let broker = Mosquitto::start().await.unwrap();
    let fleet = service::start_with(|config| {
        with_broker(config, &broker, "one");
        change(config);
    })
    .await;
    until_connected(&fleet).await;
    (fleet, broker)
}

/// Waits until messages come.
pub(crate) async fn until_connected(fleet: &Fleet) {
    service::until("the broker is reached", async || fleet.running.shared().mqtt().is_connected()).await;
}
