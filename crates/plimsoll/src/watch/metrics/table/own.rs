//! What this library counts beyond conventions and documents.

use super::definitions;
use crate::fault::Fault;
use crate::record::events::{ByFault, HOLDS, STOPS};
use crate::rules::circuit::BreakerState;
use crate::rules::given_up::GivenUp;
use crate::rules::slots::Closing;
use crate::settings::Enforcement;
use crate::watch::metrics::definition::{
    Label, Metric, Point, Unit, Value, count, counts_by, level, perhaps, size, times,
};

const CODE: Label =
    Label { name: "code", values: || Fault::ALL.map(Fault::code).into(), is_always_there: false };
const CLOSING: Label =
    Label { name: "reason", values: || Closing::ALL.map(Closing::word).into(), is_always_there: true };
const GIVEN_UP: Label =
    Label { name: "reason", values: || GivenUp::ALL.map(GivenUp::word).into(), is_always_there: true };
const HOLD: Label =
    Label { name: "hold", values: || HOLDS.map(|(_, word)| word).into(), is_always_there: true };
const STOP: Label =
    Label { name: "reason", values: || STOPS.map(|(_, word)| word).into(), is_always_there: true };
const MODE: Label = Label { name: "mode", values: || vec!["on", "dark", "off"], is_always_there: true };
const STATE: Label =
    Label { name: "state", values: || STATES.map(|(_, word)| word).into(), is_always_there: true };
const BY: Label =
    Label { name: "by", values: || vec!["admission", "cap", "reserve", "breaker"], is_always_there: true };

const STATES: [(BreakerState, &str); 4] = [
    (BreakerState::Closed, "closed"),
    (BreakerState::Open, "open"),
    (BreakerState::HalfOpen, "half_open"),
    (BreakerState::Isolated, "isolated"),
];

fn mode(mode: Enforcement) -> &'static str {
    match mode {
        Enforcement::On => "on",
        Enforcement::Dark => "dark",
        Enforcement::Off => "off",
    }
}

fn by_code(counts: &ByFault) -> Vec<Point> {
    counts_by(counts.each().map(|(fault, count)| (fault.code(), count)))
}

fn flag(is_so: bool) -> Vec<Point> {
    level(if is_so { 1.0 } else { 0.0 })
}

definitions! {
    /// Whether acquisitions and statements are recorded now (the setting `monitoring`, and the switch): 1 or 0. While they
    /// are not, what is made of them stands still.
    RECORDING = Metric::gauge("plimsoll.monitor.recording", Unit::Each("state"), |reading| {
        flag(reading.is_recording)
    });

    /// Connections that were opened.
    OPENED = Metric::counter("plimsoll.connections.opened", "connection", |reading| count(reading.opened()));

    /// Connections that were closed, by reason.
    CLOSED = Metric::counter("plimsoll.connections.closed", "connection", |reading| {
        counts_by(reading.closings())
    }).labelled(&[CLOSING]);

    /// Connections that could not be opened, by the code of the fault.
    CONNECT_FAILURES = Metric::counter("plimsoll.connect.failures", "connect", |reading| {
        by_code(&reading.events.connect_failures)
    }).labelled(&[CODE]);

    /// How long it took to check connections that had been idle for long.
    CHECK_TIME = Metric::histogram("plimsoll.connection.check_time", |reading| times(reading.check.clone()));

    /// Connections that came back unclean and were made clean.
    RECLAIMED = Metric::counter("plimsoll.connections.reclaimed", "connection", |reading| {
        count(reading.events.reclaimed.get())
    });

    /// Connections that were used although they lacked a limit (`on_missing_guardrail` is `degraded`).
    DEGRADED = Metric::counter("plimsoll.connections.degraded", "connection", |reading| {
        count(reading.events.degraded.get())
    });

    /// Connections that are being made clean.
    RETURNING = Metric::gauge("plimsoll.connections.returning", Unit::Each("connection"), |reading| {
        size(reading.status.returning)
    });

    /// Callers that got no connection, by reason.
    GAVE_UP = Metric::counter("plimsoll.acquire.given_up", "caller", |reading| {
        counts_by(reading.refusals())
    }).labelled(&[GIVEN_UP]);

    /// Whether the pool is exhausted now: 1 or 0.
    EXHAUSTED = Metric::gauge("plimsoll.pool.exhausted", Unit::Each("state"), |reading| {
        flag(reading.exhaustion.lasts())
    });

    /// Whether the pool is paused: 1 or 0.
    PAUSED = Metric::gauge("plimsoll.pool.paused", Unit::Each("state"), |reading| {
        flag(reading.status.is_paused)
    });

    /// Callers that something in the mode `dark` would have refused or would have made wait: admission, the cap of a name,
    /// the reserve for the highest priority, the breaker.
    WOULD_REFUSE = Metric::counter("plimsoll.dark.would_refuse", "caller", |reading| {
        let status = &reading.status;
        let each = [
            ("admission", status.would_refuse),
            ("cap", reading.if_dark(status.capped)),
            ("reserve", reading.if_dark(status.held_back)),
            ("breaker", reading.breaker.let_through),
        ];
        counts_by(each.into_iter())
    }).labelled(&[BY]);

    /// The state of the circuit breaker: 1 for the one that it is in. In the mode `dark` it refuses nothing in any state
    /// but `isolated`.
    BREAKER_STATE = Metric::gauge("plimsoll.breaker.state", Unit::Each("state"), |reading| {
        let mode = mode(reading.breaker.mode);
        let point = |(state, word): (BreakerState, &'static str)| Point {
            labels: vec![word, mode],
            value: Value::Level(f64::from(u8::from(state == reading.breaker.state))),
        };
        STATES.map(point).into()
    }).labelled(&[STATE, MODE]);

    /// How often the breaker opened by itself.
    BREAKER_TRIPS = Metric::counter("plimsoll.breaker.trips", "trip", |reading| count(reading.breaker.trips));

    /// Calls that the breaker refused.
    BREAKER_REFUSED = Metric::counter("plimsoll.breaker.refused", "call", |reading| {
        count(reading.breaker.refused)
    });

    /// Statements that ended, whether well or not.
    STATEMENTS = Metric::counter("plimsoll.statements", "statement", |reading| {
        count(reading.statements.executed)
    });

    /// Statements that failed, were stopped or were given up.
    STATEMENT_FAILURES = Metric::counter("plimsoll.statement.failures", "statement", |reading| {
        count(reading.statements.failed)
    });

    /// Statements that a limit on time ended: the server's, this program's, or a deadline.
    STATEMENT_TIMEOUTS = Metric::counter("plimsoll.statement.timeouts", "statement", |reading| {
        count(reading.statements.timeouts)
    });

    /// Statements that were stopped on the server, by reason.
    STOPPED = Metric::counter("plimsoll.statements.stopped", "statement", |reading| {
        counts_by(reading.events.stopped())
    }).labelled(&[STOP]);

    /// Transactions whose caller left during their COMMIT and whose outcome was found out.
    COMMITS_SETTLED = Metric::counter("plimsoll.commits.settled", "transaction", |reading| {
        count(reading.events.commits_settled.get())
    });

    /// Work that failed and was run again, by the code of the fault.
    RETRIES = Metric::counter("plimsoll.retries", "retry", |reading| {
        by_code(&reading.events.retries)
    }).labelled(&[CODE]);

    /// Work that was not run again because the retry budget was spent, by the code of the fault.
    RETRIES_REFUSED = Metric::counter("plimsoll.retries.refused", "retry", |reading| {
        by_code(&reading.events.retries_refused)
    }).labelled(&[CODE]);

    /// Leases that were held for longer than `leak_after`, each counted once, by what they looked like then.
    HELD_LONG = Metric::counter("plimsoll.leases.held_long", "lease", |reading| {
        counts_by(reading.events.held_long())
    }).labelled(&[HOLD]);

    /// Connections that were taken back from leases that did not use them (`leak_reclaim_after`).
    TAKEN_BACK = Metric::counter("plimsoll.leases.taken_back", "lease", |reading| {
        count(reading.events.leases_taken_back.get())
    });

    /// Pile-ups behind a lock that lasted longer than `lock_report_after`.
    LOCK_PILE_UPS = Metric::counter("plimsoll.locks.pile_ups", "pile-up", |reading| {
        count(reading.events.lock_pile_ups.get())
    });

    /// Leases and requests that wrote more than once outside a transaction. They are counted unless `write_audit` is `off`.
    UNWRAPPED_WRITES = Metric::counter("plimsoll.writes.unwrapped", "finding", |reading| {
        count(reading.unwrapped_writes)
    });

    /// How often `LISTEN` held on the connection of a listener, for the first time or again.
    LISTENER_CONNECTS = Metric::counter("plimsoll.listener.connects", "connect", |reading| {
        count(reading.events.listener_connects.get())
    });

    /// Connects of listeners that failed, by the code of the fault.
    LISTENER_CONNECT_FAILURES = Metric::counter("plimsoll.listener.connect.failures", "connect", |reading| {
        by_code(&reading.events.listener_connect_failures)
    }).labelled(&[CODE]);

    /// Connections that listeners lost, by the code of the fault.
    LISTENER_LOSSES = Metric::counter("plimsoll.listener.losses", "connection", |reading| {
        by_code(&reading.events.listener_losses)
    }).labelled(&[CODE]);

    /// How often the reader of a listener was too slow, so that notifications were dropped.
    LISTENER_OVERFLOWS = Metric::counter("plimsoll.listener.overflows", "overflow", |reading| {
        count(reading.events.listener_overflows.get())
    });

    /// How often a server that took writes took them no more, so that its connections were given up.
    DEMOTIONS = Metric::counter("plimsoll.servers.demotions", "demotion", |reading| {
        count(reading.events.demotions.get())
    });

    /// How often one of several servers was found in another role than before.
    ROLE_CHANGES = Metric::counter("plimsoll.servers.role_changes", "change", |reading| {
        count(reading.events.role_changes.get())
    });

    /// How often reads stopped going to a replica.
    REPLICAS_LOST = Metric::counter("plimsoll.replicas.lost", "replica", |reading| {
        count(reading.events.replicas_lost.get())
    });

    /// How often reads began to go to a replica, for the first time or again.
    REPLICAS_BACK = Metric::counter("plimsoll.replicas.back", "replica", |reading| {
        count(reading.events.replicas_back.get())
    });

    /// Reads that no replica could serve and that the primary did not take, since others like them had all that they may have.
    READS_CAPPED = Metric::counter("plimsoll.reads.capped", "read", |reading| {
        count(reading.events.reads_capped.get())
    });

    /// How often the connection budget allowed this pool fewer connections than before; not counted in the mode `dark`.
    BUDGET_SHRUNK = Metric::counter("plimsoll.budget.shrunk", "change", |reading| {
        count(reading.events.budget_shrunk.get())
    });

    /// How often the connection budget allowed this pool more connections than before; not counted in the mode `dark`.
    BUDGET_GROWN = Metric::counter("plimsoll.budget.grown", "change", |reading| {
        count(reading.events.budget_grown.get())
    });

    /// How often every lease was held by a task that waited for another lease.
    SELF_DEADLOCKS = Metric::counter("plimsoll.self_deadlocks", "deadlock", |reading| {
        count(reading.events.self_deadlocks.get())
    });

    /// Health checks that failed.
    HEALTH_CHECK_FAILURES = Metric::counter("plimsoll.health_check.failures", "check", |reading| {
        count(reading.events.health_check_failures.get())
    });

    /// How often this program stood still, so that delays were not the database's fault.
    STALLS = Metric::counter("plimsoll.stalls", "stall", |reading| count(reading.events.stalls.get()));

    /// For how long this program has stood still, all together, in whole milliseconds.
    STALLED_MS = Metric::counter("plimsoll.stalled_ms", "millisecond", |reading| {
        count(u64::try_from(reading.events.stalled().as_millis()).unwrap_or(u64::MAX))
    });

    /// How often session state of another client was found behind a transaction pooler.
    SESSIONS_POLLUTED = Metric::counter("plimsoll.sessions.polluted", "session", |reading| {
        count(reading.events.sessions_polluted.get())
    });

    /// Migrations that this program applied.
    MIGRATIONS = Metric::counter("plimsoll.schema.migrations", "migration", |reading| {
        count(reading.events.migrations.get())
    });

    /// When this program brought the schema up to date last. It exists once it has: that happens before the first scrape,
    /// where a counter would not be seen to grow.
    MIGRATED_AT = Metric::gauge("plimsoll.schema.migrated_timestamp_seconds", Unit::Timestamp, |reading| {
        perhaps(reading.events.migrated_at().map(|seconds| seconds as f64))
    });
}
