//! What is told of a pile-up behind a lock.

use crate::record::time::Timestamp;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A pile-up behind a lock: sessions that waited, and the sessions that let them wait, from the first wait to the last.
///
/// It is looked at once a second, so its end is right to a second, and one that lasts for little more than a second may not
/// be seen at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LockEpisode {
    /// When the first session began to wait.
    pub began: Timestamp,
    /// When a session was last seen waiting.
    pub last_seen: Timestamp,
    /// The time between the two.
    pub lasted_seconds: f64,
    /// Whether no session waits any more, as far as is known: no longer so where the server could not be asked since
    /// `last_seen`.
    pub is_over: bool,
    /// The kind of the lock, in the server's words: `relation`; `tuple` and `transactionid`, which both mean a row;
    /// `advisory`.
    pub lock_type: Option<String>,
    /// The mode that the first waiter asked for: `ShareLock`, `AccessExclusiveLock`.
    pub mode: Option<String>,
    /// The table, or the key of an advisory lock, if the server tells it.
    pub object: Option<String>,
    /// How many sessions waited at the same time, at the most.
    pub most_waiting: u64,
    /// The longest that a session was seen to wait.
    pub longest_wait_seconds: f64,
    /// The sessions for which all others waited and which waited for none themselves. The first is the one with which it
    /// began; another follows where the lock went on to a session that kept it too. At most four. None where sessions wait
    /// for each other in a circle, which the server ends as a deadlock.
    pub blockers: Vec<Blocker>,
    /// There were more of them.
    pub has_more_blockers: bool,
    /// For which work the sessions waited, and how many of each at the same time; at most eight.
    pub waiting: Vec<WaitingWork>,
    /// The role of this program may not see the sessions of other roles, so more may have waited, and of some only the name
    /// is known. `GRANT pg_read_all_stats` shows them.
    pub is_partial: bool,
}

/// A session that held a lock for which others waited.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Blocker {
    /// The process id of its backend; 0 stands for a prepared transaction, which has no session.
    pub pid: i32,
    /// The work that held it, with the place in the source, if it is a connection of this pool and no pooler stands between.
    pub work: Option<String>,
    /// The id of the request for which that work was done.
    pub request_id: Option<String>,
    /// As its program has set it. It is all that names a session of another program, or one behind a pooler.
    pub application_name: String,
    /// The role as which it logged in.
    pub user: Option<String>,
    /// The address of its client, or `local`; none if it is hidden from the role of this program.
    pub client: Option<String>,
    /// What it did when it was last seen, in the server's words: `active`, `idle in transaction`; none if it is hidden.
    pub state: Option<String>,
    /// For how long it had been in that state.
    pub state_seconds: Option<f64>,
    /// How long ago its transaction had begun.
    pub transaction_seconds: Option<f64>,
    /// Its last statement, without any constant; none if it is hidden.
    pub last_statement: Option<String>,
    /// When it was last seen to block.
    pub last_seen: Timestamp,
}

/// Sessions that waited for the same work.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct WaitingWork {
    /// The name of the work with the place in the source; for sessions that are not of this pool their application name.
    pub name: String,
    /// How many of them waited at the same time, at the most.
    pub most: u64,
}

/// The name of the work that holds a connection of this pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseName {
    pub(crate) work: String,
    pub(crate) request_id: Option<String>,
}

/// A time in seconds, to the millisecond.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

impl fmt::Display for Blocker {
    /// `pid 3390, idle in transaction for 48 s: "nightly report" (report.rs:88), request 4f2a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        write!(f, "pid {}", self.pid)?;
        match (&self.state, self.state_seconds) {
            (Some(state), Some(age)) => write!(f, ", {state} for {age:.0} s: ")?,
            (Some(state), None) => write!(f, ", {state}: ")?,
            (None, _) => f.write_str(", in a state that this role may not see: ")?,
        }
        if let Some(work) = &self.work {
            f.write_str(work)?;
            return match &self.request_id {
                Some(id) => write!(f, ", request {id}"),
                None => Ok(()),
            };
        }
        if !self.application_name.is_empty() {
            write!(f, "{}, ", self.application_name)?;
        }
        write!(f, "user {}", self.user.as_deref().unwrap_or("unknown"))?;
        match &self.client {
            Some(client) => write!(f, ", client {client}"),
            None => Ok(()),
        }
    }
}

impl LockEpisode {
    /// The lock, as a sentence names it: `ShareLock on devices`.
    pub(super) fn lock(&self) -> String {
        match (&self.mode, &self.object, &self.lock_type) {
            (Some(mode), Some(object), Some(kind)) if kind == "advisory" => {
                format!("{mode} on the advisory lock {object}")
            }
            (Some(mode), Some(object), _) => format!("{mode} on {object}"),
            (Some(mode), None, Some(kind)) => format!("{mode} of the kind {kind}"),
            (Some(mode), None, None) => mode.clone(),
            (None, ..) => "a lock".to_owned(),
        }
    }
}

impl fmt::Display for LockEpisode {
    /// `50 sessions waited for ShareLock on devices, in all 12 s; blocked by pid 3390, idle in transaction for 48 s: ..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.most_waiting;
        let sessions = if count == 1 { "session" } else { "sessions" };
        let verb = match (self.is_over, count) {
            (true, _) => "waited",
            (false, 1) => "waits",
            (false, _) => "wait",
        };
        write!(f, "{count} {sessions} {verb} for {}, in all {:.0} s; ", self.lock(), self.lasted_seconds)?;
        match self.blockers.as_slice() {
            [] => f.write_str("each blocks another in a circle"),
            [first] => write!(f, "blocked by {first}"),
            [first, others @ ..] => write!(f, "blocked by {first}, and after it by {} more", others.len()),
        }
    }
}
