//! The made-up fleet: the devices of [`crate::simulate`], which send to the service that made them.
//!
//! They have a tenant of their own, so that a newcomer's table holds what the newcomer sent. While someone looks at the page they
//! send twenty readings a second in all; while no one does, one, so that the console has devices, charts and alerts whenever it is
//! opened, and a service that is left alone is all but idle. Those that speak MQTT do so where the service has a broker of its own.

use super::Play;
use super::witness;
use crate::boot::demo::Credentials;
use crate::boot::mqtt_config::BrokerUrl;
use crate::simulate::mqtt::BrokerOptions;
use crate::simulate::{self, Account, Fleet, Plan};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The tenant of the made-up devices.
pub(crate) const TENANT: &str = "made-up";
/// So many devices ..
pub(super) const DEVICES: usize = 12;
/// .. send so many readings a second in all, while someone looks ..
const BUSY: f64 = 20.0;
/// .. and while no one does.
const QUIET: f64 = 1.0;
/// A device keeps what it makes in half an hour of a busy time.
const KEEP: usize = 3000;

/// The tenant's sites.
pub(super) const SITES: [&str; 3] = ["hall-1", "hall-2", "yard"];

/// The name of a device.
pub(super) fn name(number: usize) -> String {
    format!("made-up-{}", number + 1)
}

/// Sends, and asks the table what became of it. Ends when `stopped` says so, or its sender is gone. `broker` is the URL of the
/// service's own.
///
/// # Cancel safety
/// Dropped, no device sends any more; what was sent may be taken.
pub(crate) async fn run(
    play: Arc<Play>,
    service: SocketAddr,
    broker: Option<String>,
    credentials: Credentials,
    mut stopped: watch::Receiver<bool>,
) {
    let (tell_rate, rate) = watch::channel(QUIET);
    let (plan, figures) = (plan(service, broker.as_deref(), &credentials), Arc::clone(&play.figures));
    let account: Arc<dyn Account> = Arc::clone(&play) as Arc<dyn Account>;
    let fleet = Fleet { plan, account, figures, rate };
    let mut tasks = JoinSet::new();
    tasks.spawn(follow(Arc::clone(&play), tell_rate));
    tasks.spawn(witness::watch(play));
    let of_fleet = stopped.clone();
    tasks.spawn(async move {
        // What is not acknowledged by then would be sent to a service that has stopped.
        if let Err(why) = simulate::run(fleet, of_fleet, Duration::ZERO).await {
            tracing::warn!("the made-up devices do not send: {why}");
        }
    });
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
    tasks.shutdown().await;
}

fn plan(service: SocketAddr, broker: Option<&str>, credentials: &Credentials) -> Plan {
    let broker = broker.and_then(|url| BrokerUrl::parse(url).ok());
    Plan {
        tenant: TENANT.to_owned(),
        key: credentials.provisioning_key.as_str().into(),
        names: (0..DEVICES).map(name).collect(),
        sites: SITES.map(str::to_owned).to_vec(),
        keep: KEEP,
        service: format!("http://{service}").parse().ok(),
        broker: broker.and_then(|url| BrokerOptions::new(url).ok()),
        share_mqtt: 0.5,
    }
}

/// Many while someone looks, few otherwise.
async fn follow(play: Arc<Play>, tell_rate: watch::Sender<f64>) {
    let mut readers = play.readers.subscribe();
    loop {
        let rate = if *readers.borrow_and_update() > 0 { BUSY } else { QUIET };
        tell_rate.send_replace(rate);
        if readers.changed().await.is_err() {
            return;
        }
    }
}

impl Account for Play {
    fn number(&self, device: usize, made: Timestamp) -> i64 {
        // Each device of the plan has an account.
        self.ledger.lock().make(device, made).unwrap_or_default()
    }

    fn acknowledged(&self, device: usize) {
        self.ledger.lock().acknowledged(device);
    }
}
