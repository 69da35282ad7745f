//! Something that happened and that nobody asked about.
//!
//! A guard that acts in silence cannot be trusted: a cancelled statement, a session that had to be reset, a leak, a
//! connection thrown away, each leaves an event. Events go to `tracing` and to whoever subscribes; nobody waits for a
//! subscriber, and one that is slow misses some and is told how many.

use crate::error::Outcome;
use crate::fault::Fault;
use crate::moment::in_seconds;
use std::fmt;
use std::time::Duration;
use tokio::sync::broadcast;

/// What to do about what strangers leave behind a pooler.
pub(crate) const POLLUTED: &str = "work in transactions is shielded from most of it; find who runs SET, CREATE TEMP or \
    session locks through a transaction pooler, and say RECONNECT to the pooler for fresh sessions";

/// Something that happened in a pool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection was opened.
    Connected {
        /// The backend's process id.
        pid: i32,
        /// How long it took.
        took: Duration,
    },
    /// A connection could not be opened.
    ConnectFailed {
        /// Why.
        fault: Fault,
        /// In a sentence.
        reason: String,
    },
    /// No connection became free in time.
    AcquireFailed {
        /// Who asked.
        work: String,
        /// Why.
        fault: Fault,
        /// How long it had waited.
        waited: Duration,
    },
    /// Callers were refused at once; told at most once a second for each reason, and not for each caller.
    Refused {
        /// Why.
        fault: Fault,
        /// How many, since the last of these events.
        count: u64,
        /// They were not refused in truth, since admission is dark.
        is_dark: bool,
    },
    /// A statement or transaction was stopped on the server because its time was up or nobody waited for it any more.
    Stopped {
        /// Whose it was.
        work: String,
        /// The backend's process id.
        pid: i32,
        /// Why it was stopped.
        reason: StopReason,
    },
    /// A connection came back in the middle of something, and was made clean.
    Reclaimed {
        /// Whose lease it was.
        work: String,
        /// The backend's process id.
        pid: i32,
        /// What had to be undone.
        found: Found,
    },
    /// A connection was thrown away.
    Discarded {
        /// Whose lease it was, if it was lent.
        work: Option<String>,
        /// The backend's process id.
        pid: i32,
        /// Why.
        reason: &'static str,
    },
    /// A transaction was dropped while its COMMIT was under way; this became of it.
    CommitSettled {
        /// Whose it was.
        work: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// A lease is held for long: perhaps it leaks.
    HeldLong {
        /// Whose.
        work: String,
        /// For how long so far.
        held: Duration,
    },
    /// Every lease is held by a task that waits for another.
    SelfDeadlock {
        /// The leases.
        leases: String,
    },
    /// The circuit breaker opened: calls are refused at once from now on.
    BreakerOpened {
        /// Why.
        reason: String,
        /// Whether it only counts what it would refuse.
        is_dark: bool,
    },
    /// The circuit breaker has been open for a minute, and told again for each further one.
    BreakerStillOpen {
        /// For how long.
        after: Duration,
        /// Why.
        reason: String,
        /// Whether it only counts what it would refuse.
        is_dark: bool,
    },
    /// The server answers again: a few calls go through, and more with each that is answered.
    BreakerHalfOpened {
        /// How long it had been open.
        after: Duration,
    },
    /// The circuit breaker closed: everything goes through.
    BreakerClosed {
        /// How long it had not been closed.
        after: Duration,
        /// Calls that it has refused since the beginning.
        refused: u64,
    },
    /// The database was asked how it is and did not answer well.
    HealthCheckFailed {
        /// Why.
        fault: Fault,
        /// In a sentence.
        reason: String,
    },
    /// This program stood still: nothing ran for that long. What came late by it is not the database's fault.
    Stalled {
        /// For how long.
        by: Duration,
    },
    /// A connection does not carry all its limits, and that was allowed.
    Degraded {
        /// Which are missing.
        missing: String,
    },
    /// Behind a transaction pooler: another client of this login has left something in the server's sessions.
    SessionsPolluted {
        /// What was found.
        found: String,
    },
    /// The schema was brought up to date.
    Migrated {
        /// How many files were applied.
        applied: usize,
    },
    /// The schema is ahead of this program: migrations are applied that it does not know.
    SchemaAhead {
        /// The newest of them.
        version: i64,
        /// How many there are.
        unknown: usize,
    },
    /// Work that failed runs again.
    Retried {
        /// Whose it is.
        work: String,
        /// With what it failed.
        fault: Fault,
        /// How often it was tried so far.
        tried: u32,
    },
    /// Work that might have run again does not, because the retry budget is spent.
    RetryRefused {
        /// Whose it is.
        work: String,
        /// With what it failed.
        fault: Fault,
        /// How often it was tried.
        tried: u32,
    },
}

/// Why something was stopped on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// Its caller dropped it.
    Dropped,
    /// The deadline of its scope came.
    Deadline,
    /// Its own limit came.
    Limit,
    /// The pool is being closed, and the time to finish is over.
    Shutdown,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Dropped => "its caller dropped it",
            StopReason::Deadline => "the deadline came",
            StopReason::Limit => "its limit came",
            StopReason::Shutdown => "the pool is being closed",
        })
    }
}

/// What was found on a connection that came back not clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// A statement was running.
    pub running: bool,
    /// A transaction was open.
    pub transaction: bool,
    /// Something was left in the session: a setting, a lock, a temporary table, a subscription.
    pub session_state: bool,
}

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Events { sender: broadcast::Sender::new(256) }
    }
}

impl Events {
    /// Tells `tracing` and the subscribers.
    pub(crate) fn tell(&self, event: Event) {
        log(&event);
        #[cfg(feature = "metrics")]
        count(&event);
        // Nobody listening is the ordinary case.
        let _ = self.sender.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}

fn log(event: &Event) {
    match event {
        Event::Connected { pid, took } => {
            tracing::debug!(target: "plimsoll", pid, ms = took.as_millis(), "connected");
        }
        Event::ConnectFailed { fault, reason } => {
            tracing::warn!(target: "plimsoll", code = fault.code(), "{reason}");
        }
        Event::AcquireFailed { work, fault, waited } => match fault {
            Fault::PoolExhausted => tracing::error!(
                target: "plimsoll", work, code = fault.code(),
                "Connection pool exhausted - timeout after {}s", in_seconds(*waited)
            ),
            _ => tracing::error!(
                target: "plimsoll", work, code = fault.code(), ms = waited.as_millis(), "no connection was lent"
            ),
        },
        Event::Refused { fault, count, is_dark: true } => tracing::info!(
            target: "plimsoll", code = fault.code(), count, "would have been refused; admission is dark"
        ),
        Event::Refused { fault, count, is_dark: false } => {
            tracing::warn!(target: "plimsoll", code = fault.code(), count, "refused at once");
        }
        Event::Stopped { work, pid, reason } => {
            tracing::info!(target: "plimsoll", work, pid, "stopped on the server: {reason}");
        }
        Event::Reclaimed { work, pid, found } => tracing::info!(
            target: "plimsoll", work, pid, running = found.running, transaction = found.transaction,
            session_state = found.session_state, "a connection came back unclean and was made clean"
        ),
        Event::Discarded { work, pid, reason } => {
            tracing::info!(target: "plimsoll", work = work.as_deref().unwrap_or(""), pid, "discarded: {reason}");
        }
        Event::CommitSettled { work, outcome } => {
            tracing::warn!(target: "plimsoll", work, "nobody waited for this COMMIT any more; outcome: {outcome}");
        }
        Event::HeldLong { work, held } => {
            tracing::warn!(target: "plimsoll", work, seconds = held.as_secs(), "a lease is held for long");
        }
        Event::SelfDeadlock { leases } => {
            tracing::error!(target: "plimsoll", "every lease is held by a task that waits for another: {leases}");
        }
        Event::BreakerOpened { reason, is_dark: false } => {
            tracing::error!(target: "plimsoll", "circuit breaker opened, failing fast: {reason}");
        }
        Event::BreakerOpened { reason, is_dark: true } => {
            tracing::warn!(target: "plimsoll", "circuit breaker would have opened: {reason}");
        }
        Event::BreakerStillOpen { after, reason, is_dark } => tracing::error!(
            target: "plimsoll", seconds = after.as_secs(), is_dark, "circuit breaker is still open: {reason}"
        ),
        Event::BreakerHalfOpened { after } => {
            tracing::info!(target: "plimsoll", ms = after.as_millis(), "the server answers again; circuit breaker half open");
        }
        Event::BreakerClosed { after, refused } => {
            tracing::info!(target: "plimsoll", ms = after.as_millis(), refused, "circuit breaker closed");
        }
        Event::HealthCheckFailed { fault, reason } => {
            tracing::error!(target: "plimsoll", code = fault.code(), "Postgres health check failed: {reason}");
        }
        Event::Stalled { by } => tracing::warn!(
            target: "plimsoll", ms = by.as_millis(),
            "this program stood still; what came late by that is not the database's fault"
        ),
        Event::Degraded { missing } => {
            tracing::warn!(target: "plimsoll", "degraded: {missing}");
        }
        Event::SessionsPolluted { found } => tracing::warn!(
            target: "plimsoll",
            "another client of this login has left {found} in the server's sessions; {}",
            POLLUTED
        ),
        Event::Migrated { applied } => {
            tracing::info!(target: "plimsoll", applied, "the schema was brought up to date");
        }
        Event::SchemaAhead { version, unknown } => tracing::warn!(
            target: "plimsoll", version, unknown,
            "the schema is ahead of this program, which does not know these migrations; they are left alone"
        ),
        Event::Retried { work, fault, tried } => {
            tracing::debug!(target: "plimsoll", work, code = fault.code(), tried, "it failed and is tried again");
        }
        Event::RetryRefused { work, fault, tried } => tracing::warn!(
            target: "plimsoll", work, code = fault.code(), tried, "not tried again: the retry budget is spent"
        ),
    }
}

#[cfg(feature = "metrics")]
fn count(event: &Event) {
    match event {
        Event::Connected { took, .. } => {
            metrics::counter!("plimsoll_connects_total", "result" => "ok").increment(1);
            metrics::histogram!("plimsoll_connect_seconds").record(took.as_secs_f64());
        }
        Event::ConnectFailed { fault, .. } => {
            metrics::counter!("plimsoll_connects_total", "result" => fault.code()).increment(1);
        }
        Event::AcquireFailed { fault, .. } => {
            metrics::counter!("plimsoll_acquire_failures_total", "code" => fault.code()).increment(1);
        }
        Event::Refused { fault, count, is_dark } => {
            let name =
                if *is_dark { "plimsoll_would_refuse_total" } else { "plimsoll_acquire_failures_total" };
            metrics::counter!(name, "code" => fault.code()).increment(*count);
        }
        Event::Stopped { .. } => metrics::counter!("plimsoll_stopped_total").increment(1),
        Event::Reclaimed { .. } => metrics::counter!("plimsoll_reclaimed_total").increment(1),
        Event::Discarded { reason, .. } => {
            metrics::counter!("plimsoll_discarded_total", "reason" => *reason).increment(1);
        }
        Event::CommitSettled { .. } => metrics::counter!("plimsoll_commits_settled_total").increment(1),
        Event::HeldLong { .. } => metrics::counter!("plimsoll_held_long_total").increment(1),
        Event::SelfDeadlock { .. } => metrics::counter!("plimsoll_self_deadlocks_total").increment(1),
        Event::BreakerOpened { .. } => metrics::counter!("plimsoll_breaker_trips_total").increment(1),
        Event::BreakerStillOpen { .. } | Event::BreakerHalfOpened { .. } | Event::BreakerClosed { .. } => {}
        Event::HealthCheckFailed { fault, .. } => {
            metrics::counter!("plimsoll_health_check_failures_total", "code" => fault.code()).increment(1);
        }
        Event::Stalled { by } => metrics::histogram!("plimsoll_stalled_seconds").record(by.as_secs_f64()),
        Event::Degraded { .. } => metrics::counter!("plimsoll_degraded_total").increment(1),
        Event::SessionsPolluted { .. } => metrics::counter!("plimsoll_sessions_polluted_total").increment(1),
        Event::Migrated { .. } => metrics::counter!("plimsoll_migrated_total").increment(1),
        Event::SchemaAhead { .. } => metrics::counter!("plimsoll_schema_ahead_total").increment(1),
        Event::Retried { fault, .. } => {
            metrics::counter!("plimsoll_retries_total", "code" => fault.code()).increment(1);
        }
        Event::RetryRefused { fault, .. } => {
            metrics::counter!("plimsoll_retries_refused_total", "code" => fault.code()).increment(1);
        }
    }
}
