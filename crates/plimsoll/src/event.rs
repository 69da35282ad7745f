//! Something that happened and that nobody asked about.
//!
//! A guard that acts in silence cannot be trusted: a cancelled statement, a session that had to be reset, a leak, a
//! connection thrown away, each leaves an event. Events of a [`Database`](crate::Database) go to `tracing` and to every
//! subscriber. No work waits for a subscriber; a slow one misses some events and is told how many.

use crate::error::Outcome;
use crate::fault::Fault;
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

/// What records each event, before the subscribers hear of it.
pub(crate) type Sink = fn(&Event);

/// Where events go.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    sink: Option<Sink>,
}

impl Events {
    /// To the subscribers, and to `sink` if there is one.
    pub(crate) fn new(sink: Option<Sink>) -> Self {
        Events { sender: broadcast::Sender::new(256), sink }
    }

    /// Tells the sink and the subscribers.
    pub(crate) fn tell(&self, event: Event) {
        if let Some(record) = self.sink {
            record(&event);
        }
        // Without subscribers sending fails, which is the ordinary case.
        let _ = self.sender.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
