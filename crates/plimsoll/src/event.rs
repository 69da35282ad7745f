//! Events: what happened in a pool without being the answer to a call.
//!
//! A pool that acts silently cannot be trusted, so each action of its own leaves an event: a cancelled statement, a
//! session that was reset, a leak, a discarded connection. Events of a [`Database`](crate::Database) go to `tracing`
//! and to every subscriber. No work waits for a subscriber; a slow one misses some events and is told how many.

use crate::error::Outcome;
use crate::fault::Fault;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// The remedy for session state that other clients leave behind a pooler.
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
    /// Callers were refused at once. This is reported at most once a second for each reason, and not for each caller.
    Refused {
        /// Why.
        fault: Fault,
        /// How many, since the last of these events.
        count: u64,
        /// They were only counted and not refused, since admission is dark.
        is_dark: bool,
    },
    /// A statement or transaction was stopped on the server because its time was up or its caller had dropped it.
    Stopped {
        /// Whose it was.
        work: String,
        /// The backend's process id.
        pid: i32,
        /// Why it was stopped.
        reason: StopReason,
    },
    /// A connection was returned with work unfinished, and was cleaned.
    Reclaimed {
        /// Whose lease it was.
        work: String,
        /// The backend's process id.
        pid: i32,
        /// What was found on it.
        found: Found,
    },
    /// A connection was discarded.
    Discarded {
        /// Whose lease it was, if it was lent.
        work: Option<String>,
        /// The backend's process id.
        pid: i32,
        /// Why.
        reason: &'static str,
    },
    /// A transaction was dropped during its COMMIT, and its outcome is decided now.
    CommitSettled {
        /// Whose it was.
        work: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// A lease has been held for long: it may be a leak.
    HeldLong {
        /// Whose.
        work: String,
        /// How long so far.
        held: Duration,
    },
    /// Every lease is held by a task that waits for a second one.
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
    /// The circuit breaker has been open for a minute; reported again after each further minute.
    BreakerStillOpen {
        /// For how long.
        after: Duration,
        /// Why.
        reason: String,
        /// Whether it only counts what it would refuse.
        is_dark: bool,
    },
    /// The server answers again: a few calls are let through, and more after each one that is answered.
    BreakerHalfOpened {
        /// How long it had been open.
        after: Duration,
    },
    /// The circuit breaker closed: all calls are let through.
    BreakerClosed {
        /// How long it had not been closed.
        after: Duration,
        /// Calls that it has refused since the pool was opened.
        refused: u64,
    },
    /// A health check failed.
    HealthCheckFailed {
        /// Why.
        fault: Fault,
        /// In a sentence.
        reason: String,
    },
    /// This program stalled: no task ran for that long. Delays in this time are not the database's fault.
    Stalled {
        /// For how long.
        by: Duration,
    },
    /// A connection does not have all its limits, and is used because `on_missing_guardrail` allows it.
    Degraded {
        /// The missing limits.
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
    /// Work that failed is run again.
    Retried {
        /// Whose it is.
        work: String,
        /// With what it failed.
        fault: Fault,
        /// How often it was tried so far.
        tried: u32,
    },
    /// Work that may run again is not run again, because the retry budget is spent.
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
    /// The deadline of its scope passed.
    Deadline,
    /// Its own limit passed.
    Limit,
    /// The pool is being closed, and the time for finishing work has passed.
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

/// What was found on a connection that was not clean when it was returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// A statement was running.
    pub running: bool,
    /// A transaction was open.
    pub transaction: bool,
    /// The session had state: a setting, a lock, a temporary table, a LISTEN.
    pub session_state: bool,
}

/// What logs and counts each event, before the subscribers receive it.
pub(crate) type Sink = Arc<dyn Fn(&Event) + Send + Sync>;

/// The channel of events.
#[derive(Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    sink: Option<Sink>,
}

impl Events {
    /// Events go to the subscribers, and to `sink` if there is one.
    pub(crate) fn new(sink: Option<Sink>) -> Self {
        Events { sender: broadcast::Sender::new(256), sink }
    }

    /// Sends an event to the sink and the subscribers.
    pub(crate) fn tell(&self, event: Event) {
        if let Some(record) = &self.sink {
            record(&event);
        }
        // Sending fails if there is no subscriber, which is the usual case.
        let _ = self.sender.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
