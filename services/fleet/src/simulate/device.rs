//! One device: it sends its oldest reading until it is told what became of it, and only then the next.
//!
//! So the order is kept, and how many were acknowledged says which ones: a reading gets its number when it is sent first, and the
//! number of one that was refused for good, which is stored nowhere, is that of the next.

use super::again::{Told, pause};
use super::figures::Figures;
use super::http::Http;
use super::mqtt::Mqtt;
use super::outbox::{Kept, Outbox};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Who keeps account of what devices are told.
pub trait Account: Send + Sync {
    /// A device sends a reading for the first time that was made then: its number.
    fn number(&self, device: usize, made: Timestamp) -> i64;
    /// The reading that this device sent last was acknowledged.
    fn acknowledged(&self, device: usize);
}

/// What a device keeps, shared by those who make readings and those who send them.
pub(super) struct Slot {
    outbox: Mutex<Outbox>,
    news: Notify,
}

impl Slot {
    pub(super) fn new(keep: usize) -> Self {
        Slot { outbox: Mutex::new(Outbox::new(keep)), news: Notify::new() }
    }

    /// Whether there was room for it.
    pub(super) fn keep(&self, reading: Kept) -> bool {
        let is_kept = self.outbox.lock().keep(reading);
        self.news.notify_one();
        is_kept
    }

    pub(super) fn close(&self) {
        self.outbox.lock().close();
        self.news.notify_one();
    }

    /// The oldest reading, once there is one; none where there will be none.
    async fn oldest(&self) -> Option<Kept> {
        loop {
            {
                let outbox = self.outbox.lock();
                if let Some(oldest) = outbox.oldest() {
                    return Some(oldest);
                }
                if outbox.is_done() {
                    return None;
                }
            }
            // What comes in between is not missed: it leaves a permit.
            self.news.notified().await;
        }
    }
}

/// How a device reaches the service.
pub(super) enum Way {
    Http(Http),
    Mqtt(Box<Mqtt>),
}

impl Way {
    async fn send(&mut self, reading: &Kept, seq: i64) -> Told {
        match self {
            Way::Http(http) => http.send(reading, seq).await,
            Way::Mqtt(mqtt) => mqtt.send(reading, seq).await,
        }
    }
}

/// A device of the fleet.
pub(super) struct Device {
    pub(super) place: usize,
    pub(super) slot: Arc<Slot>,
    pub(super) way: Way,
    pub(super) account: Arc<dyn Account>,
    pub(super) figures: Arc<Figures>,
}

impl Device {
    /// Sends until there is nothing more to send.
    ///
    /// # Cancel safety
    /// Dropped, the reading that was on its way may have been taken.
    pub(super) async fn run(mut self) {
        while let Some(reading) = self.slot.oldest().await {
            let seq = self.account.number(self.place, reading.made);
            match self.send(&reading, seq).await {
                None => {
                    self.account.acknowledged(self.place);
                    self.figures.acknowledged(reading.meant.elapsed());
                }
                Some(why) => self.figures.refused(why),
            }
            self.slot.outbox.lock().forget_oldest();
        }
    }

    /// Sends it until it is acknowledged; or why it was refused for good.
    async fn send(&mut self, reading: &Kept, seq: i64) -> Option<String> {
        let mut sends_again = None;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let after = match self.way.send(reading, seq).await {
                Told::Acknowledged => return None,
                Told::Refused { why } => return Some(why),
                Told::Again { why, after } => {
                    self.figures.answered(why);
                    after
                }
            };
            sends_again.get_or_insert_with(|| self.figures.sends_again());
            sleep(pause(attempts, after, fastrand::f64())).await;
        }
    }
}
