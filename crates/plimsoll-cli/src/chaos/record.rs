//! What was seen: every question to the service with its answer, and what the server said of its sessions. It is written by the tasks
//! that watch and read once, at the end.

use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a question to the service came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// What was asked for.
    Served(u16),
    /// Not now: 429, 503 or 504, or another status with Retry-After. Clients and balancers try again or elsewhere.
    Refused(u16),
    /// Any other status.
    Failed(u16),
    /// The service did not take the connection, or ended it before its answer.
    Broken(String),
    /// No answer came in time.
    None,
}

impl Answer {
    /// What a status means, with or without a Retry-After.
    pub(super) fn of(status: u16, says_retry: bool) -> Self {
        match status {
            200..=399 => Answer::Served(status),
            429 | 503 | 504 => Answer::Refused(status),
            _ if says_retry => Answer::Refused(status),
            _ => Answer::Failed(status),
        }
    }

    pub(super) fn is_served(&self) -> bool {
        matches!(self, Answer::Served(_))
    }
}

/// One question.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Probe {
    /// When it was asked, since the watch began.
    #[serde(rename = "at_s", serialize_with = "seconds")]
    pub(super) at: Duration,
    /// How long the answer took, or was waited for.
    #[serde(rename = "took_s", serialize_with = "seconds")]
    pub(super) took: Duration,
    pub(super) answer: Answer,
}

/// What the server said of its sessions, ours left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Sample {
    #[serde(rename = "at_s", serialize_with = "seconds")]
    pub(super) at: Duration,
    pub(super) sessions: u64,
    pub(super) active: u64,
    /// Those that wait for a lock.
    pub(super) waiting: u64,
    /// Those that have stood still in a transaction for two seconds or more.
    pub(super) idle_in_transaction: u64,
    /// Those of which this role sees nothing.
    pub(super) hidden: u64,
    /// How long the oldest statement has run.
    #[serde(rename = "oldest_statement_s", serialize_with = "seconds")]
    pub(super) oldest_statement: Duration,
}

/// Everything that was seen in one drill.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Seen {
    pub(super) probes: Vec<Probe>,
    pub(super) health: Vec<Probe>,
    pub(super) samples: Vec<Sample>,
    /// When the fault began and ended.
    #[serde(rename = "fault_began_s", serialize_with = "seconds")]
    pub(super) began: Duration,
    #[serde(rename = "fault_ended_s", serialize_with = "seconds")]
    pub(super) ended: Duration,
}

fn seconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Milliseconds are enough to read.
    serializer.serialize_f64((span.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// A [`Seen`] that is being written.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) epoch: Instant,
    seen: Arc<Mutex<Seen>>,
}

impl Record {
    pub(super) fn begin() -> Self {
        Record { epoch: Instant::now(), seen: Arc::default() }
    }

    pub(super) fn write(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock());
    }

    /// So far, in the order of time.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().clone();
        seen.probes.sort_by_key(|probe| probe.at);
        seen.health.sort_by_key(|probe| probe.at);
        seen
    }
}
