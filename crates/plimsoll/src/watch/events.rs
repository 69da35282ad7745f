//! Writes each event to the log. How often each happened is counted in the record.
//!
//! What fails again and again while a server is away is written whole once and then counted; each one is written at DEBUG.

use crate::event::{Event, Found, Hold, POLLUTED};
use crate::events::Sink;
use crate::fault::Fault;
use crate::moment::{Moment, in_seconds};
use crate::record::Monitor;
use crate::rules::repeated::{Repetition, Telling, Trouble};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What logs each event and counts it in this record.
pub(crate) fn sink(monitor: Arc<Monitor>) -> Sink {
    Arc::new(move |event| {
        log_unless_repeated(&monitor, event, Moment::now());
        monitor.events.add(event, SystemTime::now());
    })
}

/// Writes what has been counted of the failures that go on, or have ended, if it is due.
pub(crate) fn log_repetitions(monitor: &Monitor, now: Moment) {
    let due = monitor.repetitions.lock().due(now);
    due.iter().for_each(log_repetition);
}

fn log_unless_repeated(monitor: &Monitor, event: &Event, now: Moment) {
    let over: &[Trouble] = match event {
        Event::Connected { .. } => &[Trouble::Connect, Trouble::Health],
        Event::ListenerEstablished { .. } => &[Trouble::Listener],
        _ => &[],
    };
    for trouble in over {
        let ended = monitor.repetitions.lock().end(*trouble, now);
        ended.iter().for_each(log_repetition);
    }
    let Some((trouble, fault, reason)) = trouble_in(event) else { return log(event) };
    let telling = monitor.repetitions.lock().add(trouble, fault, reason, now);
    match telling {
        Telling::Whole => log(event),
        Telling::Counted => {
            tracing::debug!(target: "plimsoll", code = fault.code(), "{} again: {reason}", in_words(trouble));
        }
    }
}

/// What fails again and again while a server is away, and what it says.
fn trouble_in(event: &Event) -> Option<(Trouble, Fault, &str)> {
    match event {
        Event::ConnectFailed { fault, reason } => Some((Trouble::Connect, *fault, reason)),
        Event::AcquireFailed { work, fault, .. } => Some((Trouble::Acquire, *fault, work)),
        Event::HealthCheckFailed { fault, reason } => Some((Trouble::Health, *fault, reason)),
        Event::ListenerConnectFailed { fault, reason } => Some((Trouble::Listener, *fault, reason)),
        Event::RetryRefused { work, fault, .. } => Some((Trouble::Retry, *fault, work)),
        _ => None,
    }
}

fn in_words(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Connect => "a connect failed",
        Trouble::Acquire => "a caller got no connection",
        Trouble::Health => "a health check failed",
        Trouble::Listener => "a listener could not connect",
        Trouble::Retry => "a call was not tried again for want of retry budget",
    }
}

fn log_repetition(repeated: &Repetition) {
    let Repetition { trouble, fault, count, span, reason, is_over } = repeated;
    let (code, seconds, what) = (fault.code(), span.as_secs(), in_words(*trouble));
    if *is_over {
        tracing::info!(
            target: "plimsoll", code, count, seconds, "it is over: {what} that many more times, the last: {reason}"
        );
    } else {
        tracing::warn!(
            target: "plimsoll", code, count, seconds, "it goes on: {what} that many more times, the last: {reason}"
        );
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
        Event::AcquireFailed { work, fault, waited } => log_acquire_failed(work, *fault, *waited),
        Event::Refused { fault, count, is_dark } => log_refused(*fault, *count, *is_dark),
        Event::Stopped { work, pid, reason } => {
            tracing::info!(target: "plimsoll", work, pid, "stopped on the server: {reason}");
        }
        Event::Reclaimed { work, pid, found } => log_reclaimed(work, *pid, found),
        Event::Discarded { work, pid, reason } => {
            tracing::info!(target: "plimsoll", work = work.as_deref().unwrap_or(""), pid, "discarded: {reason}");
        }
        Event::CommitSettled { work, outcome } => {
            tracing::warn!(target: "plimsoll", work, "nobody waited for this COMMIT any more; outcome: {outcome}");
        }
        Event::HeldLong { .. } => log_held_long(event),
        Event::LeaseReclaimed { work, pid, held, silent } => log_taken_back(work, *pid, *held, *silent),
        Event::SelfDeadlock { leases } => {
            tracing::error!(target: "plimsoll", "every lease is held by a task that waits for another: {leases}");
        }
        Event::BreakerOpened { reason, is_dark } => log_breaker_opened(reason, *is_dark),
        Event::BreakerStillOpen { .. } | Event::BreakerHalfOpened { .. } | Event::BreakerClosed { .. } => {
            log_breaker(event);
        }
        Event::HealthCheckFailed { fault, reason } => {
            tracing::error!(target: "plimsoll", code = fault.code(), "Postgres health check failed: {reason}");
        }
        Event::LockPileUp { told, .. } => tracing::warn!(target: "plimsoll", "a lock is waited for: {told}"),
        Event::BudgetShrunk { from, to, reason, is_dark } => log_budget_shrunk(*from, *to, reason, *is_dark),
        Event::BudgetGrown { from, to, is_dark } => log_budget_grown(*from, *to, *is_dark),
        Event::Stalled { by } => log_stalled(*by),
        Event::Degraded { missing } => tracing::warn!(target: "plimsoll", "degraded: {missing}"),
        Event::SessionsPolluted { found } => log_sessions_polluted(found),
        Event::ListenerEstablished { .. }
        | Event::ListenerLost { .. }
        | Event::ListenerConnectFailed { .. }
        | Event::ListenerOverflowed { .. } => log_listener(event),
        Event::Migrated { applied } => {
            tracing::info!(target: "plimsoll", applied, "the schema was brought up to date");
        }
        Event::SchemaAhead { version, unknown } => log_schema_ahead(*version, *unknown),
        Event::UnwrappedMultiWrite { work, first, request } => {
            log_unwrapped(work, first, request.as_deref());
        }
        Event::Demoted { .. }
        | Event::RoleChanged { .. }
        | Event::ReplicaLost { .. }
        | Event::ReplicaBack { .. }
        | Event::FallbackCapped { .. } => log_servers(event),
        Event::Retried { .. } | Event::RetryRefused { .. } => log_retry(event),
    }
}

fn log_retry(event: &Event) {
    match event {
        Event::Retried { work, fault, tried } => {
            tracing::debug!(target: "plimsoll", work, code = fault.code(), tried, "it failed and is tried again");
        }
        Event::RetryRefused { work, fault, tried } => tracing::warn!(
            target: "plimsoll", work, code = fault.code(), tried, "not tried again: the retry budget is spent"
        ),
        _ => {}
    }
}

fn log_taken_back(work: &str, pid: Option<i32>, held: Duration, silent: Duration) {
    tracing::warn!(
        target: "plimsoll", work, pid, held_seconds = held.as_secs(), silent_seconds = silent.as_secs(),
        "a connection was taken back from a lease that did not use it"
    );
}

fn log_budget_grown(from: usize, to: usize, is_dark: bool) {
    tracing::info!(target: "plimsoll", from, to, is_dark, "the connection budget allows more connections");
}

fn log_held_long(event: &Event) {
    let Event::HeldLong { work, request, pid, held, silent, hold, statement } = event else { return };
    let advice = match hold {
        Hold::Leak => {
            "a connection may be leaked: nothing goes on on it; look at this place for a guard that is kept"
        }
        Hold::IdleInTransaction => {
            "a transaction is left open: nothing goes on in it, and it keeps its locks"
        }
        Hold::SlowQuery => "a statement runs for long on a lent connection",
        _ => "a lease is held for long, and is in use",
    };
    tracing::warn!(
        target: "plimsoll", work, request, pid, held_seconds = held.as_secs(), silent_seconds = silent.as_secs(),
        hold = hold.as_str(), statement, "{advice}"
    );
}

fn log_acquire_failed(work: &str, fault: Fault, waited: Duration) {
    match fault {
        Fault::PoolExhausted => tracing::error!(
            target: "plimsoll", work, code = fault.code(),
            "Connection pool exhausted - timeout after {}s", in_seconds(waited)
        ),
        _ => tracing::error!(
            target: "plimsoll", work, code = fault.code(), ms = waited.as_millis(), "no connection was lent"
        ),
    }
}

fn log_refused(fault: Fault, count: u64, is_dark: bool) {
    if is_dark {
        tracing::info!(
            target: "plimsoll", code = fault.code(), count, "would have been refused; admission is dark"
        );
    } else {
        tracing::warn!(target: "plimsoll", code = fault.code(), count, "refused at once");
    }
}

fn log_reclaimed(work: &str, pid: i32, found: &Found) {
    tracing::info!(
        target: "plimsoll", work, pid, running = found.running, transaction = found.transaction,
        session_state = found.session_state, "a connection came back unclean and was made clean"
    );
}

fn log_breaker_opened(reason: &str, is_dark: bool) {
    if is_dark {
        tracing::warn!(target: "plimsoll", "circuit breaker would have opened: {reason}");
    } else {
        tracing::error!(target: "plimsoll", "circuit breaker opened, failing fast: {reason}");
    }
}

fn log_breaker(event: &Event) {
    match event {
        Event::BreakerStillOpen { after, reason, is_dark } => tracing::error!(
            target: "plimsoll", seconds = after.as_secs(), is_dark, "circuit breaker is still open: {reason}"
        ),
        Event::BreakerHalfOpened { after } => {
            tracing::info!(target: "plimsoll", ms = after.as_millis(), "the server answers again; circuit breaker half open");
        }
        Event::BreakerClosed { after, refused } => {
            tracing::info!(target: "plimsoll", ms = after.as_millis(), refused, "circuit breaker closed");
        }
        _ => {}
    }
}

fn log_budget_shrunk(from: usize, to: usize, reason: &str, is_dark: bool) {
    if is_dark {
        tracing::info!(target: "plimsoll", from, to, "it would, if it were on: {reason}");
    } else {
        tracing::warn!(target: "plimsoll", from, to, "{reason}");
    }
}

fn log_stalled(by: Duration) {
    tracing::warn!(
        target: "plimsoll", ms = by.as_millis(),
        "this program stood still; what came late by that is not the database's fault"
    );
}

fn log_sessions_polluted(found: &str) {
    tracing::warn!(
        target: "plimsoll", "another client of this login has left {found} in the server's sessions; {POLLUTED}"
    );
}

fn log_unwrapped(work: &str, first: &str, request: Option<&str>) {
    tracing::warn!(
        target: "plimsoll", work, first, request = request.unwrap_or(""),
        "unwrapped multi-write: {first} and {work} have both written, and no transaction holds the two together; if the \
         second had failed, the first would stand alone"
    );
}

fn log_listener(event: &Event) {
    match event {
        Event::ListenerEstablished { pid, channels, after } => tracing::info!(
            target: "plimsoll", pid, channels, ms = after.as_millis(), "a listener listens"
        ),
        Event::ListenerLost { fault, reason } => tracing::warn!(
            target: "plimsoll", code = fault.code(), "a listener has lost its connection and connects again: {reason}"
        ),
        Event::ListenerConnectFailed { fault, reason } => {
            tracing::warn!(target: "plimsoll", code = fault.code(), "a listener does not listen: {reason}");
        }
        Event::ListenerOverflowed { waiting } => tracing::warn!(
            target: "plimsoll", waiting, "a listener's reader is too slow; notifications are dropped, and it is told so"
        ),
        _ => {}
    }
}

/// What happened to one of several servers.
fn log_servers(event: &Event) {
    match event {
        Event::Demoted { server, reason } => tracing::error!(
            target: "plimsoll", server, "the server takes no writes any more, its connections are given up: {reason}"
        ),
        Event::RoleChanged { server, role, timeline } => {
            tracing::warn!(target: "plimsoll", server, timeline, "the server is now the {role}");
        }
        Event::ReplicaLost { server, reason } => {
            tracing::warn!(target: "plimsoll", server, "no reads go to this replica: it {reason}");
        }
        Event::ReplicaBack { server, after } => {
            tracing::info!(target: "plimsoll", server, ms = after.as_millis(), "reads go to this replica");
        }
        Event::FallbackCapped { refused, cap } => tracing::warn!(
            target: "plimsoll", refused, cap, "no replica could serve these reads, and the primary takes no more of them"
        ),
        _ => {}
    }
}

fn log_schema_ahead(version: i64, unknown: usize) {
    tracing::warn!(
        target: "plimsoll", version, unknown,
        "the schema is ahead of this program, which does not know these migrations; they are left alone"
    );
}
