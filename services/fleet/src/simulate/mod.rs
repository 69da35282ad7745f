//! A made-up fleet: devices that send readings over HTTP and over MQTT, at the rate that was asked for, whatever the service
//! answers. `fleet simulate` runs one against any service; in development the service runs one against itself.
//!
//! | file | what is in it |
//! |---|---|
//! | [`pace`] | when readings are made; pure |
//! | [`values`] | what devices measure, and how they fare; pure |
//! | [`outbox`] | what a device keeps until it is acknowledged; pure |
//! | [`again`] | what an answer means, and when a device sends again; pure |
//! | [`latency`], [`words`] | how long it took; the figures as people read them; pure |
//! | [`figures`] | what came of the readings |
//! | `device` | one device |
//! | `http`, [`mqtt`] | its two ways to the service |
//! | [`command`], [`options`] | `fleet simulate`; what was said to it |
//!
//! - **Open loop.** Readings are made when they are due, and how long one took is counted from there; a service that stands still
//!   is not spared.
//! - **A device keeps its reading until it is acknowledged**: 202 over HTTP, the message on `ack` over MQTT. What it has no room
//!   for it gives up unsent, and says so.
//! - **A device is polite**: it has one reading under way, waits longer after each attempt that failed, and never comes back
//!   before the service asked it to.

pub mod again;
pub mod command;
mod device;
pub mod figures;
mod http;
pub mod latency;
pub mod mqtt;
pub mod options;
pub mod outbox;
pub mod pace;
pub mod values;
pub mod words;

pub use device::Account;

use device::{Device, Slot, Way};
use figures::Figures;
use jiff::{SignedDuration, Timestamp};
use mqtt::BrokerOptions;
use outbox::Kept;
use pace::Pace;
use plimsoll::secret::Secret;
use reqwest::Url;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use values::{Mood, Values, mood};

/// Devices that were not all switched on at the same moment: for each, this much longer ..
const APART: Duration = Duration::from_millis(2);
/// .. and for all of them at most this.
const LONGEST_START: Duration = Duration::from_secs(5);

/// The devices, and where they send.
#[derive(Clone)]
pub struct Plan {
    /// Whose they are.
    pub tenant: String,
    /// What they show.
    pub key: Secret,
    /// Their names.
    pub names: Vec<String>,
    /// The tenant's sites that they are spread over; without any, none is said.
    pub sites: Vec<String>,
    /// How many readings a device keeps that were not acknowledged.
    pub keep: usize,
    /// Where the service is, for those that speak HTTP.
    pub service: Option<Url>,
    /// Where the broker is, for those that speak MQTT.
    pub broker: Option<BrokerOptions>,
    /// The share of the devices that speak MQTT, from 0 to 1.
    pub share_mqtt: f64,
}

/// A fleet that can be run.
pub struct Fleet {
    /// The devices, and where they send.
    pub plan: Plan,
    /// Who keeps account of what they are told.
    pub account: Arc<dyn Account>,
    /// What came of their readings.
    pub figures: Arc<Figures>,
    /// Readings a second of all devices together.
    pub rate: watch::Receiver<f64>,
}

impl Plan {
    /// Whether this device speaks MQTT: they are spread evenly.
    #[must_use]
    pub fn speaks_mqtt(&self, place: usize) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "there are far fewer devices")]
        let before = |count: usize| (count as f64 * self.share_mqtt + 1e-9).floor();
        match (&self.service, &self.broker) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(_), Some(_)) => before(place + 1) > before(place),
        }
    }

    /// How many speak HTTP, and how many MQTT.
    #[must_use]
    pub fn devices(&self) -> (usize, usize) {
        let mqtt = (0..self.names.len()).filter(|place| self.speaks_mqtt(*place)).count();
        (self.names.len() - mqtt, mqtt)
    }

    fn way(&self, client: &reqwest::Client, place: usize) -> Option<Way> {
        let names = (self.tenant.as_str(), self.names.get(place)?.as_str());
        let site = self.sites.get(place % self.sites.len().max(1)).map(String::as_str);
        if self.speaks_mqtt(place) {
            let broker = self.broker.as_ref()?;
            return Some(Way::Mqtt(Box::new(mqtt::Mqtt::open(broker, names, &self.key, site))));
        }
        let service = self.service.as_ref()?;
        Some(Way::Http(http::Http::new(client.clone(), service, names, &self.key, site)))
    }
}

/// Makes readings and sends them until `stop` is raised or its sender is gone; what was made by then has `drain` to be
/// acknowledged.
///
/// # Errors
/// When HTTP cannot be spoken at all.
///
/// # Cancel safety
/// Dropped, no device sends any more; what was sent may be taken.
pub async fn run(fleet: Fleet, stop: watch::Receiver<bool>, drain: Duration) -> Result<(), String> {
    let Fleet { plan, account, figures, rate } = fleet;
    let (plan, client) = (Arc::new(plan), http::client()?);
    let slots: Vec<_> = plan.names.iter().map(|_| Arc::new(Slot::new(plan.keep))).collect();
    let mut devices = JoinSet::new();
    let start = APART.saturating_mul(u32::try_from(slots.len()).unwrap_or(u32::MAX)).min(LONGEST_START);
    for (place, slot) in slots.iter().enumerate() {
        let (slot, account, figures) = (Arc::clone(slot), Arc::clone(&account), Arc::clone(&figures));
        let (plan, client) = (Arc::clone(&plan), client.clone());
        devices.spawn(async move {
            sleep(start.mul_f64(fastrand::f64())).await;
            if let Some(way) = plan.way(&client, place) {
                Device { place, slot, way, account, figures }.run().await;
            }
        });
    }
    make(&slots, &figures, rate, stop).await;
    for slot in &slots {
        slot.close();
    }
    // What is not acknowledged by then is still counted as waiting.
    let _ = timeout(drain, async { while devices.join_next().await.is_some() {} }).await;
    devices.shutdown().await;
    Ok(())
}

/// Makes readings when they are due, in turn by those devices that are not silent.
async fn make(
    slots: &[Arc<Slot>],
    figures: &Figures,
    mut rate: watch::Receiver<f64>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pace = Pace::new(Instant::now(), *rate.borrow());
    let mut turn = 0;
    loop {
        let now = Instant::now();
        pace.change(now, *rate.borrow_and_update());
        while let Some(meant) = pace.due(now) {
            let after = meant.saturating_duration_since(figures.began());
            let Some((place, slot, mood)) = next(slots, &mut turn, after) else { return };
            let made = at_the_wall(meant);
            let noise = (fastrand::f64() * 2.0 - 1.0, fastrand::f64() * 2.0 - 1.0);
            let values = Values::at(place, mood, made, noise);
            figures.made(slot.keep(Kept { meant, made, values }));
        }
        tokio::select! {
            () = sleep_until(pace.next().into()) => {}
            // Without its sender the rate stays as it is.
            Ok(()) = rate.changed() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Whose turn it is.
fn next<'a>(slots: &'a [Arc<Slot>], turn: &mut usize, after: Duration) -> Option<(usize, &'a Slot, Mood)> {
    for _ in 0..slots.len() {
        let place = *turn % slots.len();
        *turn = place + 1;
        let mood = mood(place, slots.len(), after);
        if mood != Mood::Silent {
            return slots.get(place).map(|slot| (place, slot.as_ref(), mood));
        }
    }
    None
}

/// A moment by the clock on the wall, in whole microseconds as the service keeps it.
fn at_the_wall(moment: Instant) -> Timestamp {
    let ago = SignedDuration::try_from(moment.elapsed()).unwrap_or_default();
    let now = Timestamp::now();
    let then = now.checked_sub(ago).unwrap_or(now);
    Timestamp::from_microsecond(then.as_microsecond()).unwrap_or(then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::mqtt_config::BrokerUrl;

    fn plan(share_mqtt: f64) -> Plan {
        let broker = BrokerOptions::new(BrokerUrl::parse("mqtt://127.0.0.1:1").unwrap()).unwrap();
        Plan {
            tenant: "t".to_owned(),
            key: "k".into(),
            names: (0..10).map(|number| format!("d{number}")).collect(),
            sites: Vec::new(),
            keep: 10,
            service: Some("http://127.0.0.1:1".parse().unwrap()),
            broker: Some(broker),
            share_mqtt,
        }
    }

    #[test]
    fn so_many_speak_mqtt_as_were_asked_for() {
        for (share, expected) in [(0.0, (10, 0)), (0.3, (7, 3)), (0.5, (5, 5)), (1.0, (0, 10))] {
            assert_eq!(plan(share).devices(), expected, "{share}");
        }
        assert_eq!(Plan { broker: None, ..plan(0.5) }.devices(), (10, 0));
        assert_eq!(Plan { service: None, ..plan(0.5) }.devices(), (0, 10));
    }

    #[test]
    fn a_silent_device_has_no_turn_and_the_others_have_its() {
        let slots: Vec<_> = (0..5).map(|_| Arc::new(Slot::new(1))).collect();
        let at = Duration::from_secs(30);
        let mut turn = 0;
        let turns: Vec<_> = (0..8).map(|_| next(&slots, &mut turn, at).unwrap().0).collect();
        assert_eq!(turns, [0, 2, 3, 4, 0, 2, 3, 4], "the second is silent in the first round");
    }
}
