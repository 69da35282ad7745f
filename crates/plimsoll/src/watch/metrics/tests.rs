//! Each event moves the counters that are named after it and no others, from the event to the text for Prometheus. That the
//! events are told when they should be is promised where they come from.

use super::prometheus;
use crate::call::database::Database;
use crate::error::Outcome;
use crate::event::{Event, Found, Hold, StopReason};
use crate::fault::Fault;
use crate::place::ServerRole;
use crate::record::endings::Ending;
use crate::record::queries::Execution;
use crate::rules::slots::Closing;
use crate::settings::{Enforcement, Settings};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A pool without a server, in which nothing happens by itself but connects that fail; those are left out below.
async fn pool() -> Database {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/nowhere?sslmode=disable");
    let settings = Settings::from_url(url.as_str()).unwrap().pool_min(0).breaker(Enforcement::Off);
    Database::connect(settings).await.unwrap()
}

fn series(db: &Database) -> BTreeMap<String, f64> {
    let text = prometheus([db]);
    let lines =
        text.lines().filter(|line| !line.starts_with('#') && !line.contains("plimsoll_connect_failures"));
    let read = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let pool = format!("pool=\"{}\"", db.server.plan.pool_name());
        let own = name.replace(&format!("{pool},"), "").replace(&format!("{{{pool}}}"), "");
        (own, value.parse().unwrap())
    });
    read.collect()
}

/// By how much each series has grown.
fn grown(before: &BTreeMap<String, f64>, db: &Database) -> Vec<(String, f64)> {
    let now = series(db).into_iter();
    let by = now.map(|(name, value)| (name.clone(), value - before.get(&name).copied().unwrap_or_default()));
    by.filter(|(_, by)| *by != 0.0).collect()
}

#[tokio::test]
async fn each_event_moves_what_is_named_after_it() {
    let db = pool().await;
    let work = || "work".to_owned();
    let fault = Fault::SerializationFailure;
    for (event, moved) in [
        (
            Event::Reclaimed { work: work(), pid: 1, found: Found::default() },
            vec![("plimsoll_connections_reclaimed_total", 1.0)],
        ),
        (Event::Degraded { missing: work() }, vec![("plimsoll_connections_degraded_total", 1.0)]),
        (
            Event::CommitSettled { work: work(), outcome: Outcome::Committed },
            vec![("plimsoll_commits_settled_total", 1.0)],
        ),
        (
            Event::HeldLong {
                work: work(),
                request: None,
                pid: None,
                held: Duration::ZERO,
                silent: Duration::ZERO,
                hold: Hold::SlowQuery,
                statement: None,
            },
            vec![("plimsoll_leases_held_long_total{hold=\"slow_query\"}", 1.0)],
        ),
        (
            Event::LeaseReclaimed { work: work(), pid: None, held: Duration::ZERO, silent: Duration::ZERO },
            vec![("plimsoll_leases_taken_back_total", 1.0)],
        ),
        (
            Event::LockPileUp { told: work(), waiting: 2, lasted: Duration::ZERO },
            vec![("plimsoll_locks_pile_ups_total", 1.0)],
        ),
        (
            Event::ListenerEstablished { pid: 1, channels: 1, after: Duration::ZERO },
            vec![("plimsoll_listener_connects_total", 1.0)],
        ),
        (
            Event::ListenerConnectFailed { fault, reason: work() },
            vec![("plimsoll_listener_connect_failures_total{code=\"PL-TXN-02\"}", 1.0)],
        ),
        (
            Event::ListenerLost { fault, reason: work() },
            vec![("plimsoll_listener_losses_total{code=\"PL-TXN-02\"}", 1.0)],
        ),
        (Event::ListenerOverflowed { waiting: 9 }, vec![("plimsoll_listener_overflows_total", 1.0)]),
        (Event::Demoted { server: work(), reason: "it" }, vec![("plimsoll_servers_demotions_total", 1.0)]),
        (
            Event::RoleChanged { server: work(), role: ServerRole::Primary, timeline: 2 },
            vec![("plimsoll_servers_role_changes_total", 1.0)],
        ),
        (Event::ReplicaLost { server: work(), reason: work() }, vec![("plimsoll_replicas_lost_total", 1.0)]),
        (
            Event::ReplicaBack { server: work(), after: Duration::ZERO },
            vec![("plimsoll_replicas_back_total", 1.0)],
        ),
        (Event::FallbackCapped { refused: 4, cap: 2 }, vec![("plimsoll_reads_capped_total", 4.0)]),
        (
            Event::BudgetShrunk { from: 3, to: 2, reason: work(), is_dark: false },
            vec![("plimsoll_budget_shrunk_total", 1.0)],
        ),
        (Event::BudgetShrunk { from: 3, to: 2, reason: work(), is_dark: true }, vec![]),
        (Event::BudgetGrown { from: 2, to: 3, is_dark: false }, vec![("plimsoll_budget_grown_total", 1.0)]),
        (Event::BudgetGrown { from: 2, to: 3, is_dark: true }, vec![]),
        (Event::SelfDeadlock { leases: work() }, vec![("plimsoll_self_deadlocks_total", 1.0)]),
        (
            Event::Stalled { by: Duration::from_millis(70) },
            vec![("plimsoll_stalled_ms_total", 70.0), ("plimsoll_stalls_total", 1.0)],
        ),
        (Event::SessionsPolluted { found: work() }, vec![("plimsoll_sessions_polluted_total", 1.0)]),
        (
            Event::Retried { work: work(), fault, tried: 1 },
            vec![("plimsoll_retries_total{code=\"PL-TXN-02\"}", 1.0)],
        ),
        (
            Event::RetryRefused { work: work(), fault, tried: 1 },
            vec![("plimsoll_retries_refused_total{code=\"PL-TXN-02\"}", 1.0)],
        ),
        (
            Event::HealthCheckFailed { fault, reason: work() },
            vec![("plimsoll_health_check_failures_total", 1.0)],
        ),
        (
            Event::Stopped { work: work(), pid: 1, reason: StopReason::Limit },
            vec![("plimsoll_statements_stopped_total{reason=\"limit\"}", 1.0)],
        ),
        (
            Event::Stopped { work: work(), pid: 1, reason: StopReason::Shutdown },
            vec![("plimsoll_statements_stopped_total{reason=\"shutdown\"}", 1.0)],
        ),
        // The pool and the breaker count these themselves.
        (Event::Connected { pid: 1, took: Duration::ZERO }, vec![]),
        (Event::AcquireFailed { work: work(), fault, waited: Duration::ZERO }, vec![]),
        (Event::Refused { fault, count: 3, is_dark: false }, vec![]),
        (Event::Discarded { work: None, pid: 1, reason: "it ended" }, vec![]),
        (Event::BreakerOpened { reason: work(), is_dark: false }, vec![]),
        (Event::SchemaAhead { version: 1, unknown: 1 }, vec![]),
    ] {
        let before = series(&db);
        db.server.events.tell(event.clone());
        let moved: Vec<_> = moved.into_iter().map(|(name, by)| (name.to_owned(), by)).collect();
        assert_eq!(grown(&before, &db), moved, "{event:?}");
    }
}

#[tokio::test]
async fn the_schema_has_a_time_once_it_was_brought_up_to_date() {
    let db = pool().await;
    let time = "plimsoll_schema_migrated_timestamp_seconds";
    assert!(!series(&db).contains_key(time), "it was not yet");
    db.server.events.tell(Event::Migrated { applied: 4 });
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let series = series(&db);
    assert!((now - series[time]).abs() < 60.0, "{}", series[time]);
    assert!((series["plimsoll_schema_migrations_total"] - 4.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn each_reason_of_a_closing_has_a_series() {
    let db = pool().await;
    for why in Closing::ALL {
        let before = series(&db);
        db.pool.inner.slots.lock().totals.closed.add(why);
        let name = format!("plimsoll_connections_closed_total{{reason=\"{}\"}}", why.word());
        assert_eq!(grown(&before, &db), [(name, 1.0)]);
    }
}

#[tokio::test]
async fn totals_of_earlier_runs_have_no_part_in_metrics() {
    let (db, earlier) = (pool().await, pool().await);
    earlier.monitor().record_acquisition(Duration::from_secs(3), false);
    let execution = Execution {
        took: Duration::from_secs(3),
        rows: 0,
        ending: Ending::Failed(Fault::StatementTimeout),
        is_slow: true,
        ended: SystemTime::now(),
    };
    earlier.server.monitor.add_execution(1, "SELECT 1", None, &execution);
    let before = series(&db);
    db.server.monitor.add_counters(&earlier.server.monitor.counters());
    assert_eq!(db.snapshot().statements.failed, 1, "the snapshot tells of them");
    assert_eq!(grown(&before, &db), [], "an alert would take them for news");
    db.server.monitor.add_execution(1, "SELECT 1", None, &execution);
    let grown = grown(&before, &db);
    for name in
        ["plimsoll_statement_failures_total", "plimsoll_statement_timeouts_total", "queries_slow_count_total"]
    {
        assert!(grown.contains(&(name.to_owned(), 1.0)), "{name} is not in {grown:?}");
    }
}

#[tokio::test]
async fn what_a_dark_breaker_would_have_refused_is_not_refused() {
    let db = pool().await;
    let name = crate::name::WorkName::given("work");
    db.isolate();
    let before = series(&db);
    assert!(db.server.breaker.permit(&name).is_err(), "isolation is an order and holds in every mode");
    assert_eq!(grown(&before, &db), [("plimsoll_breaker_refused_total".to_owned(), 1.0)]);
    db.resume();
}
