//! How it stands between this service and the broker: what the operators' health tells, and what the stop waits for.

use plimsoll_http::ComponentHealth;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What is counted since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Messages that came, those included that came again.
    Received,
    /// Readings that are stored, those included that were stored before.
    Stored,
    /// Messages that were refused.
    Refused,
    /// Times that a message was tried again.
    TriedAgain,
    /// Messages that are no JSON.
    InvalidJson,
    /// Messages that are no UTF-8.
    InvalidEncoding,
    /// Messages without a promise (QoS 0) that came while there was no place for them.
    Dropped,
    /// Messages that the broker had kept for newcomers.
    Retained,
    /// Connections that were lost.
    Lost,
}

const ALL: [(Count, &str); 9] = [
    (Count::Received, "received"),
    (Count::Stored, "stored"),
    (Count::Refused, "refused"),
    (Count::TriedAgain, "tried_again"),
    (Count::InvalidJson, "invalid_json"),
    (Count::InvalidEncoding, "invalid_encoding"),
    (Count::Dropped, "dropped_qos0"),
    (Count::Retained, "retained"),
    (Count::Lost, "connections_lost"),
];

/// How often the log is told that messages are tried again, at most.
const NEWS_EVERY: Duration = Duration::from_secs(10);

/// What the log was told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    at: Option<Instant>,
    is_over: bool,
}

/// Why nothing comes from the broker; `None` while it does.
type Away = Option<String>;

/// How it stands. Before anything else it is off.
#[derive(Debug)]
pub struct Standing {
    is_on: AtomicBool,
    away: Mutex<Away>,
    counts: [AtomicU64; ALL.len()],
    /// Messages that are being taken in.
    under_way: AtomicU64,
    /// Messages that wait to be tried again.
    waiting: AtomicU64,
    /// When the log was told that messages are tried again, and whether it was told since that they are not any more.
    told: Mutex<Told>,
    /// Whether messages may still be taken in.
    is_working: watch::Sender<bool>,
}

impl Default for Standing {
    fn default() -> Self {
        Standing {
            is_on: AtomicBool::new(false),
            away: Mutex::new(Some("the broker has not been reached since the service started".to_owned())),
            counts: Default::default(),
            under_way: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            told: Mutex::default(),
            is_working: watch::Sender::new(false),
        }
    }
}

impl Standing {
    /// There is a broker.
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self) {
        self.is_working.send_replace(true);
    }

    pub(super) fn end(&self) {
        self.is_working.send_replace(false);
    }

    /// Waits until no message is taken in any more, after the stop was told.
    pub(crate) async fn ended(&self) {
        let mut working = self.is_working.subscribe();
        // It lives as long as this.
        let _ = working.wait_for(|is_working| !is_working).await;
    }

    pub(super) fn set_away(&self, away: Away) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
    }

    /// Whether messages come.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub(super) fn add(&self, what: Count) {
        if let Some(count) = self.counter(what) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many since the start.
    #[must_use]
    pub fn count(&self, what: Count) -> u64 {
        self.counter(what).map(|count| count.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn counter(&self, what: Count) -> Option<&AtomicU64> {
        let index = ALL.iter().position(|(count, _)| *count == what)?;
        self.counts.get(index)
    }

    /// Messages that are being taken in now.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// One more is, for as long as what is returned lives.
    pub(super) fn one_more(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    /// One more waits to be tried again, for as long as what is returned lives.
    pub(super) fn one_more_waits(&self) -> UnderWay<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.waiting)
    }

    /// Whether the log is to be told that messages are tried again: not again within this time.
    pub(super) fn is_news(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.at.is_none_or(|at| at.elapsed() >= NEWS_EVERY);
        if is_news {
            *told = Told { at: Some(Instant::now()), is_over: false };
        }
        is_news
    }

    /// Whether the log is to be told that none is any more.
    pub(super) fn is_over(&self) -> bool {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.at.is_some() && !std::mem::replace(&mut told.is_over, true)
    }

    /// As the operators' health tells it.
    pub(crate) fn health(&self) -> ComponentHealth {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = match away {
            None => ComponentHealth::healthy(),
            Some(why) => ComponentHealth::down(why),
        };
        let told = told
            .detail("under_way", self.under_way())
            .detail("waiting", self.waiting.load(Ordering::Relaxed));
        ALL.iter().fold(told, |told, (what, name)| told.detail(name, self.count(*what)))
    }
}

/// A message that is being taken in, or waits.
pub(super) struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
