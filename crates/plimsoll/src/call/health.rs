//! The last answer to the question how the database is, and how long it is trusted.

use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a good answer is kept while nothing contradicts it.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long a bad answer is kept. No event says that a server which was away is back, so it is asked again soon.
const BAD_FOR: Duration = Duration::from_secs(1);

/// How the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HealthState {
    /// It answers.
    Healthy,
    /// It answers, but something is wrong.
    Degraded,
    /// It does not answer.
    Down,
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HealthState::Healthy => "healthy",
            HealthState::Degraded => "degraded",
            HealthState::Down => "down",
        })
    }
}

/// How the database is, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// The state in one word.
    pub state: HealthState,
    /// Why it is not healthy, in words that may be shown to anyone: they contain no text of the server's.
    pub reasons: Vec<String>,
    /// How old this answer is.
    pub age: Duration,
    /// How long the database took to answer.
    pub latency: Option<Duration>,
    /// Connections of all clients to this database.
    pub connections: Option<u32>,
    /// The most connections that the server allows.
    pub max_connections: Option<u32>,
}

impl Health {
    pub(crate) fn of(state: HealthState, reasons: Vec<String>) -> Self {
        let (age, latency, connections, max_connections) = (Duration::ZERO, None, None, None);
        Health { state, reasons, age, latency, connections, max_connections }
    }

    pub(crate) fn down(why: String) -> Self {
        Health::of(HealthState::Down, vec![format!("Database unhealthy: {why}")])
    }
}

/// Whether calls should be sent here now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether they should.
    pub is_ready: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// The last answer, and the lock of the one caller that asks.
#[derive(Default)]
pub(crate) struct HealthCache {
    pub(crate) last: Mutex<Option<LastHealth>>,
    pub(crate) asking: tokio::sync::Mutex<()>,
    /// The lock of the one connect for it that is out; it may last longer than the question that began it.
    pub(crate) connecting: Arc<tokio::sync::Mutex<()>>,
}

/// An answer, and when it was given.
#[derive(Clone)]
pub(crate) struct LastHealth {
    /// When the question went out, and when it was answered or given up.
    pub(crate) at: Instant,
    pub(crate) ended: Instant,
    /// The breaker's count of changes when the question went out.
    pub(crate) changes: u64,
    /// What the database said, without what this program knows.
    pub(crate) health: Health,
}

impl LastHealth {
    pub(crate) fn is_good(&self, changes: u64, now: Instant) -> bool {
        let lasts = if self.health.state == HealthState::Down { BAD_FOR } else { GOOD_FOR };
        self.changes == changes && now.saturating_duration_since(self.at) < lasts
    }
}

impl HealthCache {
    pub(crate) fn last(&self) -> Option<LastHealth> {
        self.last.lock().clone()
    }
}
