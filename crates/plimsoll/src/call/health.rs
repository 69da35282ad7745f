//! What was found when the database was asked how it is, and how long that is believed.

use parking_lot::Mutex;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// How long a good answer is kept while nothing contradicts it.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// How long a bad one is: nothing tells us that a server which was away is back, so it is asked.
const BAD_FOR: Duration = Duration::from_secs(1);

/// How the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HealthState {
    /// It answers.
    Healthy,
    /// It answers, and something is wrong nevertheless.
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

/// What was found when the database was asked how it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// Why it is not healthy, in words fit for everybody: they hold no text of the server's.
    pub reasons: Vec<String>,
    /// How old this answer is.
    pub age: Duration,
    /// How long the database took to answer.
    pub latency: Option<Duration>,
    /// Connections to this database, everybody's.
    pub connections: Option<u32>,
    /// Connections that the server has at the most.
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

/// The last answer, and the one caller who is asking.
#[derive(Default)]
pub(crate) struct HealthCache {
    pub(crate) last: Mutex<Option<Last>>,
    pub(crate) asking: tokio::sync::Mutex<()>,
}

/// What was found, and when.
#[derive(Clone)]
pub(crate) struct Last {
    /// When the question went out, and when it was answered or given up.
    pub(crate) at: Instant,
    pub(crate) ended: Instant,
    /// What the breaker had counted when the question went out.
    pub(crate) changes: u64,
    /// What the database said, without what is known here.
    pub(crate) health: Health,
}

impl Last {
    pub(crate) fn is_good(&self, changes: u64, now: Instant) -> bool {
        let lasts = if self.health.state == HealthState::Down { BAD_FOR } else { GOOD_FOR };
        self.changes == changes && now.saturating_duration_since(self.at) < lasts
    }
}

impl HealthCache {
    pub(crate) fn last(&self) -> Option<Last> {
        self.last.lock().clone()
    }
}
