//! What a message becomes: a reading as it is stored, or a heartbeat, of which only the time is kept.

use super::message::Message;
use super::refusal::StoreRefusal;
use crate::devices::{DeviceId, SiteId};
use jiff::Timestamp;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It holds what was measured.
    Telemetry,
    /// It says that its device is there.
    Heartbeat,
}

impl Kind {
    /// As paths, batches and tables write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Telemetry => "telemetry",
            Kind::Heartbeat => "heartbeat",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Kind::Telemetry, Kind::Heartbeat].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A reading as it is stored.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What for. A heartbeat has no metrics, and no row among the readings.
    pub kind: Kind,
    /// Whose.
    pub device: DeviceId,
    /// When.
    pub time: Timestamp,
    /// The how-manieth.
    pub seq: i64,
    /// Where.
    pub site: SiteId,
    /// What: a JSON object.
    pub metrics: String,
    /// Whether the device said when it was: sent again, it is then the same reading. Without that, it is another one.
    pub is_repeatable: bool,
}

impl Reading {
    /// What is stored of a message of this device, from this site, that arrived at `now`.
    ///
    /// # Errors
    /// When the message has to be numbered, and the operating system gives no random bytes.
    pub fn of(
        message: Message,
        device: DeviceId,
        site: SiteId,
        now: Timestamp,
    ) -> Result<Self, StoreRefusal> {
        let seq = match (message.seq, message.time) {
            (Some(seq), _) => seq,
            // The time makes it what it is; sent again, it is the same.
            (None, Some(_)) => 0,
            (None, None) => own_seq()?,
        };
        let (time, is_repeatable) = (message.time.unwrap_or(now), message.time.is_some());
        Ok(Reading {
            kind: Kind::Telemetry,
            device,
            time,
            seq,
            site,
            metrics: message.metrics,
            is_repeatable,
        })
    }

    /// What is noted of a heartbeat of this device that arrived at `now`. Sent again, it says the same again.
    #[must_use]
    pub fn heartbeat(message: Message, device: DeviceId, site: SiteId, now: Timestamp) -> Self {
        let (time, seq) = (message.time.unwrap_or(now), message.seq.unwrap_or_default());
        let metrics = message.metrics;
        Reading { kind: Kind::Heartbeat, device, time, seq, site, metrics, is_repeatable: true }
    }

    /// What makes it this reading, within its tenant.
    #[must_use]
    pub fn identity(&self) -> (&str, Timestamp, i64) {
        (self.device.as_str(), self.time, self.seq)
    }
}

/// The time of arrival as it is kept: cut, so that it does not become one of tomorrow.
#[must_use]
pub fn time_of_arrival() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A number for a message that has neither time nor number of its own: negative, and small enough for every JSON reader.
fn own_seq() -> Result<i64, StoreRefusal> {
    let random = getrandom::u64().map_err(|_| {
        tracing::error!("the operating system gives no random bytes");
        StoreRefusal::NotNumbered
    })?;
    Ok(-1 - i64::try_from(random >> 11).unwrap_or_default())
}
