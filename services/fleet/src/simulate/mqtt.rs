//! How a device speaks over MQTT: a connection of its own to the broker, in the version that most devices know (3.1.1).
//!
//! The broker's own word (PUBACK) says that the broker has a reading. That it is stored is told on the device's topic `ack`, and
//! only that ends a reading here. A task speaks with the broker, and begins a connection anew when one is lost: what was under
//! way then is sent again by the device, which knows of it.

use super::again::Told;
use super::outbox::Kept;
use crate::boot::mqtt_config::BrokerUrl;
use crate::ingest::mqtt::options::encryption;
use plimsoll::secret::Secret;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A reading that was not acknowledged by then is sent again. The service goes on trying with what the broker gave it, so this
/// is for what the broker forgot.
const LIMIT: Duration = Duration::from_secs(10);

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What may wait to be published, and to be heard: a device has one reading under way.
const WAITING: usize = 16;

/// Where the broker is and what it is shown.
#[derive(Clone)]
pub struct BrokerOptions {
    url: BrokerUrl,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl BrokerOptions {
    /// For this broker.
    ///
    /// # Errors
    /// What is wrong with the certificates that are trusted.
    pub fn new(url: BrokerUrl) -> Result<Self, String> {
        let tls = url.is_encrypted.then(|| encryption(None)).transpose()?.map(Arc::new);
        Ok(BrokerOptions { url, tls })
    }

    fn of(&self, client_id: String) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, &self.url.host, self.url.port);
        options.set_keep_alive(KEEP_ALIVE).set_clean_session(true);
        if let Some(user) = &self.url.user {
            let password = self.url.password.as_ref().map(Secret::expose).unwrap_or_default();
            options.set_credentials(user, password);
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))));
        }
        options
    }
}

/// A device's way over MQTT.
pub(super) struct Mqtt {
    topic: String,
    key: Secret,
    site: Option<String>,
    /// The present connection, while there is one on which acknowledgements are heard.
    client: watch::Receiver<Option<AsyncClient>>,
    acks: mpsc::Receiver<Value>,
    speaking: JoinHandle<()>,
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

impl Mqtt {
    /// For a device of this tenant; it connects at once.
    pub(super) fn open(
        broker: &BrokerOptions,
        (tenant, device): (&str, &str),
        key: &Secret,
        site: Option<&str>,
    ) -> Self {
        let of_device = format!("tenant/{tenant}/device/{device}");
        let options = broker.of(format!("{device}-{:08x}", fastrand::u32(..)));
        let (tell_client, client) = watch::channel(None);
        let (tell, acks) = mpsc::channel(WAITING);
        let speaking = tokio::spawn(speak(options, format!("{of_device}/ack"), tell_client, tell));
        let topic = format!("{of_device}/telemetry");
        Mqtt { topic, key: key.clone(), site: site.map(str::to_owned), client, acks, speaking }
    }

    /// Sends a reading, and waits for what is told of it.
    ///
    /// # Cancel safety
    /// Dropped, the reading may have been taken.
    pub(super) async fn send(&mut self, reading: &Kept, seq: i64) -> Told {
        timeout(LIMIT, self.exchange(reading, seq)).await.unwrap_or_else(|_| Told::nothing())
    }

    async fn exchange(&mut self, reading: &Kept, seq: i64) -> Told {
        let mut body = reading.values.envelope(reading.made, seq, self.site.as_deref());
        if let Some(body) = body.as_object_mut() {
            body.insert("provision_token".to_owned(), self.key.expose().into());
        }
        let client = match self.client.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(client)) => client.clone(),
            _ => return Told::nothing(),
        };
        let sent = client.publish(self.topic.clone(), QoS::AtLeastOnce, false, body.to_string());
        if sent.await.is_err() {
            return Told::nothing();
        }
        // What is told late of an earlier reading is not about this one.
        while let Some(told) = self.acks.recv().await {
            if told.get("seq").and_then(Value::as_i64) == Some(seq) {
                return of_ack(&told);
            }
        }
        Told::nothing()
    }
}

/// What a message on `ack` says.
fn of_ack(told: &Value) -> Told {
    let text = |field: &str| told.get(field).and_then(Value::as_str);
    match text("status") {
        Some("stored" | "duplicate") => Told::Acknowledged,
        status => {
            let why = text("code").or(status).unwrap_or("unknown").chars().take(60).collect();
            let after = told.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis);
            match told.get("send_again").and_then(Value::as_bool) {
                Some(true) => Told::Again { why, after },
                _ => Told::Refused { why },
            }
        }
    }
}

/// Speaks with the broker, until it is aborted.
async fn speak(
    options: MqttOptions,
    acks: String,
    tell_client: watch::Sender<Option<AsyncClient>>,
    tell: mpsc::Sender<Value>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let (client, mut events) = AsyncClient::new(options.clone(), WAITING);
        // There is room for it: the queue is new.
        let _ = client.try_subscribe(acks.as_str(), QoS::AtLeastOnce);
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Packet::SubAck(_)) => {
                    pause = FIRST_PAUSE;
                    tell_client.send_replace(Some(client.clone()));
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    if let Ok(told) = serde_json::from_slice(&publish.payload) {
                        // A device that does not listen now does not wait for this one.
                        let _ = tell.try_send(told);
                    }
                }
                _ => {}
            }
        }
        tell_client.send_replace(None);
        // Devices that were cut off together must not come back together.
        sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_stored_and_duplicate_end_it_well() {
        for status in ["stored", "duplicate"] {
            assert_eq!(of_ack(&json!({"status": status, "seq": 1})), Told::Acknowledged);
        }
        let later =
            json!({"status": "refused", "code": "RATE_LIMITED", "send_again": true, "retry_after_ms": 200});
        let after = Some(Duration::from_millis(200));
        assert_eq!(of_ack(&later), Told::Again { why: "RATE_LIMITED".to_owned(), after });
        let never = json!({"status": "refused", "code": "INVALID_METRICS", "send_again": false});
        assert_eq!(of_ack(&never), Told::Refused { why: "INVALID_METRICS".to_owned() });
        assert_eq!(of_ack(&json!({})), Told::Refused { why: "unknown".to_owned() });
    }
}
