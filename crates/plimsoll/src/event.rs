//! Events: what happened in a pool without being the answer to a call.
//!
//! A pool that acts silently cannot be trusted, so each action of its own leaves an event: a cancelled statement, a
//! session that was reset, a leak, a discarded connection. Events of a [`Database`](crate::Database) go to `tracing`
//! and to every subscriber. No work waits for a subscriber; a slow one misses some events and is told how many.

use crate::error::Outcome;
use crate::fault::Fault;
use crate::place::ServerRole;
use std::fmt;
use std::time::Duration;

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
    /// A lease has been held for longer than `leak_after`. Told once for each lease.
    HeldLong {
        /// Whose, with the place in the source.
        work: String,
        /// The id of the request for which it works, if it has one.
        request: Option<String>,
        /// The backend's process id; none behind a pooler.
        pid: Option<i32>,
        /// How long so far.
        held: Duration,
        /// For how long nothing was received on the connection.
        silent: Duration,
        /// What it looks like.
        hold: Hold,
        /// The text of the last statement on it, without constants, if it is known.
        statement: Option<String>,
    },
    /// A connection was taken back from a lease that had not used it for `leak_reclaim_after`. It was ended, with its
    /// transaction if one was open, and another may be opened in its stead.
    LeaseReclaimed {
        /// Whose, with the place in the source.
        work: String,
        /// The backend's process id; none behind a pooler.
        pid: Option<i32>,
        /// How long it was held.
        held: Duration,
        /// For how long nothing was received on it.
        silent: Duration,
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
    /// Sessions have waited for a lock for longer than `lock_report_after`. This is reported once for each pile-up; what came
    /// of it tells [`Monitoring::lock_episodes`](crate::monitor::Monitoring::lock_episodes).
    LockPileUp {
        /// Who waits for which lock, and who blocks them, in a sentence.
        told: String,
        /// How many sessions waited at the same time, at the most so far.
        waiting: u64,
        /// How long so far.
        lasted: Duration,
    },
    /// The connection budget allows the pool fewer connections than before: other instances have come, other programs use
    /// more, or the server refused one. Reported at most once a second.
    BudgetShrunk {
        /// So many there could be.
        from: usize,
        /// So many there may be now.
        to: usize,
        /// Why.
        reason: String,
        /// Whether it is only told, and all may be opened.
        is_dark: bool,
    },
    /// The connection budget allows the pool more connections than before. Reported at most once a second.
    BudgetGrown {
        /// So many there could be.
        from: usize,
        /// So many there may be now.
        to: usize,
        /// Whether it is only told.
        is_dark: bool,
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
    /// `LISTEN` holds on a listener's connection: for the first time, or again.
    ListenerEstablished {
        /// The backend's process id.
        pid: i32,
        /// To how many channels it listens.
        channels: usize,
        /// How long `LISTEN` did not hold, since the listener began or the connection was lost.
        after: Duration,
    },
    /// A listener has lost its connection, and connects again.
    ListenerLost {
        /// Why.
        fault: Fault,
        /// In a sentence.
        reason: String,
    },
    /// A listener could not connect, or `LISTEN` failed; unless waiting cannot heal it, it is tried again after a pause.
    ListenerConnectFailed {
        /// Why.
        fault: Fault,
        /// In a sentence.
        reason: String,
    },
    /// A listener's reader is slower than notifications come: they are dropped from now on until it has caught up, and it
    /// is told so by a [`Gap`](crate::listen::Gap).
    ListenerOverflowed {
        /// How many notifications wait for the reader (`listen_buffer`).
        waiting: usize,
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
    /// One lease, or one request, has written twice outside a transaction: when the second write fails, the first one
    /// stays. Told once for each, where `write_audit` is `on`.
    UnwrappedMultiWrite {
        /// What wrote just now, with its place in the source.
        work: String,
        /// What wrote before it.
        first: String,
        /// The id of the request, if that has joined the two.
        request: Option<String>,
    },
    /// A server that took writes takes them no more: its connections are not lent again.
    Demoted {
        /// Its host.
        server: String,
        /// How that was noticed.
        reason: &'static str,
    },
    /// A server has another role than before.
    RoleChanged {
        /// Its host.
        server: String,
        /// What it is now.
        role: ServerRole,
        /// The timeline that it is on.
        timeline: u32,
    },
    /// Reads do not go to a replica any more.
    ReplicaLost {
        /// Its host.
        server: String,
        /// Why.
        reason: String,
    },
    /// Reads go to a replica again, or for the first time.
    ReplicaBack {
        /// Its host.
        server: String,
        /// How long they did not.
        after: Duration,
    },
    /// Reads that no replica could serve were refused, because others like them had all of the primary that they may have.
    /// Reported at most once a second.
    FallbackCapped {
        /// How many, since the last of these events.
        refused: u64,
        /// How many of the primary's connections such reads may hold.
        cap: usize,
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

/// What a lease that is held for long looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hold {
    /// Nothing goes on on it, and nothing has for most of the time: its guard was forgotten, or its task is stuck.
    Leak,
    /// Nothing goes on, but a transaction is open: it keeps its locks, and keeps the server from clearing up.
    IdleInTransaction,
    /// A statement runs and has not answered for most of the time.
    SlowQuery,
    /// It is used all the time.
    InUse,
}

impl Hold {
    /// As a word for reports and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Leak => "leak",
            Hold::IdleInTransaction => "idle in transaction",
            Hold::SlowQuery => "slow query",
            Hold::InUse => "in use",
        }
    }

    /// Whether the connection is kept from others for nothing.
    #[must_use]
    pub fn is_idle(self) -> bool {
        matches!(self, Hold::Leak | Hold::IdleInTransaction)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
