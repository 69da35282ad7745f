//! Each metric moves with what it is named after and with nothing else. Each test here does one thing to a pool on a real
//! server and then names everything that has been counted by it: what is not named has not moved.
//!
//! What is counted by events is told of in `src/watch/metrics/tests.rs`, each event by itself, and closed connections in a
//! promise of their own.

use crate::scrape::Scrape;
use crate::server::{self, PATIENCE, settings_for, until};
use plimsoll::monitor::metrics;
use plimsoll::settings::Enforcement;
use plimsoll::{BreakerState, Database, Fault, Settings, deadline};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::{Direction, Proxy};
use std::collections::BTreeSet;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

const ANSWERED: &str = r#"db_client_operation_duration_seconds_count{db_system_name="postgresql"}"#;
const WAIT: &str = "db_client_connection_wait_time_seconds_count";
const USE: &str = "db_client_connection_use_time_seconds_count";
const STATEMENTS: &str = "plimsoll_statements_total";
const FAILED: &str = "plimsoll_statement_failures_total";
const REFUSED: &str = "pool_acquisition_failures_total";
const WAITED_IN_VAIN: &str = "db_client_connection_timeouts_total";
const RECLAIMED: &str = "plimsoll_connections_reclaimed_total";
const TIMEOUTS: &str = "system_timeout_errors_total";

async fn pool(change: impl FnOnce(Settings) -> Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(change(settings_for(&fresh).await)).await.unwrap();
    until("one is open", PATIENCE, async || db.pool_status().checked_in >= 1).await;
    (fresh, db)
}

async fn pool_of_one() -> (TestDatabase, Database) {
    pool(|settings| settings.pool_max(1).pool_timeout(200 * MS)).await
}

fn given_up(reason: &str) -> String {
    format!("plimsoll_acquire_given_up_total{{reason=\"{reason}\"}}")
}

fn failed(code: &str) -> String {
    format!(
        "db_client_operation_duration_seconds_count{{db_system_name=\"postgresql\",error_type=\"{code}\"}}"
    )
}

/// Everything that has been counted since this scrape, and nothing else, is this. Only whether a connection had to be made
/// clean is left open: after a statement that was answered it has not, and after another it depends on what the server sent
/// first.
fn only(db: &Database, since: &Scrape, names: &[&str]) -> Scrape {
    let now = Scrape::of(db);
    let is_clean = names.contains(&ANSWERED);
    let grown: BTreeSet<_> =
        now.grown_names(since).into_iter().filter(|name| is_clean || *name != RECLAIMED).collect();
    assert_eq!(grown, names.iter().copied().collect::<BTreeSet<_>>());
    now
}

async fn all_are_idle(db: &Database) {
    until("all are idle", PATIENCE, async || db.pool_status().checked_out == 0).await;
}

#[tokio::test]
async fn a_statement_that_is_answered() {
    let (_fresh, db) = pool(|settings| settings.pool_min(1).pool_max(4).max_overflow(2)).await;
    let before = Scrape::of(&db);
    for _ in 0..3 {
        db.query("SELECT 1", &[]).await.unwrap();
    }
    all_are_idle(&db).await;
    let now = only(&db, &before, &[ANSWERED, WAIT, USE, STATEMENTS]);
    assert_eq!(now.grown_since(&before).into_values().collect::<BTreeSet<_>>(), [3].into());
    assert!(now.get("pool_avg_acquisition_ms") > 0.0 && now.get("queries_avg_duration_ms") > 0.0);
    assert_eq!(now.get("queries_error_rate"), 0.0);
    for (gauge, value) in [
        (r#"db_client_connection_count{db_client_connection_state="idle"}"#, 1.0),
        (r#"db_client_connection_count{db_client_connection_state="used"}"#, 0.0),
        ("db_client_connection_idle_min", 1.0),
        ("db_client_connection_idle_max", 4.0),
        ("db_client_connection_max", 6.0),
        ("db_client_connection_pending_requests", 0.0),
        ("pool_utilization_pct", 0.0),
        ("system_connection_leaks", 0.0),
        ("plimsoll_pool_exhausted", 0.0),
        ("plimsoll_pool_paused", 0.0),
        ("plimsoll_monitor_recording", 1.0),
        ("plimsoll_connections_returning", 0.0),
        (r#"plimsoll_breaker_state{state="closed",mode="on"}"#, 1.0),
        (r#"plimsoll_breaker_state{state="open",mode="on"}"#, 0.0),
    ] {
        assert_eq!(now.get(gauge), value, "{gauge}");
    }
    let _lease = db.acquire().await.unwrap();
    let lent = Scrape::of(&db);
    assert_eq!(lent.get(r#"db_client_connection_count{db_client_connection_state="used"}"#), 1.0);
    assert!(
        (lent.get("pool_utilization_pct") - 100.0 / 6.0).abs() < 1e-9,
        "one of the six that there may be"
    );
}

#[tokio::test]
async fn a_connection_that_is_opened() {
    let (_fresh, db) = pool(|settings| settings.pool_max(2)).await;
    let before = Scrape::of(&db);
    let one = db.acquire().await.unwrap();
    only(&db, &before, &[WAIT]);
    let two = db.acquire().await.unwrap();
    only(
        &db,
        &before,
        &[WAIT, "plimsoll_connections_opened_total", "db_client_connection_create_time_seconds_count"],
    );
    drop((one, two));
}

#[tokio::test]
async fn a_statement_that_fails() {
    let (_fresh, db) = pool(|settings| settings).await;
    db.query("SELECT 1", &[]).await.unwrap();
    all_are_idle(&db).await;
    let before = Scrape::of(&db);
    assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    all_are_idle(&db).await;
    let now = only(&db, &before, &[&failed("PL-SQL-02"), WAIT, USE, STATEMENTS, FAILED]);
    assert!((now.get("queries_error_rate") - 0.5).abs() < 1e-9, "one of two");
}

#[tokio::test]
async fn a_slow_statement() {
    let (_fresh, db) = pool(|settings| settings.monitor_slow_after(250 * MS)).await;
    let before = Scrape::of(&db);
    db.query("SELECT pg_sleep(0.3)", &[]).await.unwrap();
    all_are_idle(&db).await;
    let now = only(&db, &before, &[ANSWERED, WAIT, USE, STATEMENTS, "queries_slow_count_total"]);
    assert!(now.get("queries_avg_duration_ms") >= 300.0);
}

#[tokio::test]
async fn a_statement_that_a_limit_ends() {
    let (_fresh, db) = pool(|settings| settings).await;
    let before = Scrape::of(&db);
    let late = deadline::within(300 * MS, async { db.query("SELECT pg_sleep(60)", &[]).await }).await;
    assert_eq!(late.unwrap_err().fault(), Fault::DeadlinePassed);
    until("it was stopped", PATIENCE, async || db.pool_status().checked_out == 0).await;
    let stopped = r#"plimsoll_statements_stopped_total{reason="deadline"}"#;
    let code = failed(Fault::DeadlinePassed.code());
    let ended = [&code, WAIT, USE, STATEMENTS, FAILED, "plimsoll_statement_timeouts_total", TIMEOUTS];
    only(&db, &before, &[&ended[..], &[stopped]].concat());

    let before = Scrape::of(&db);
    let limited = db.named("limited").statement_timeout(100 * MS);
    assert_eq!(limited.query("SELECT pg_sleep(60)", &[]).await.unwrap_err().fault(), Fault::StatementTimeout);
    all_are_idle(&db).await;
    let grown = Scrape::of(&db);
    let grown = grown.grown_names(&before);
    let code = failed(Fault::StatementTimeout.code());
    for name in [code.as_str(), "plimsoll_statement_timeouts_total", TIMEOUTS, FAILED] {
        assert!(grown.contains(name), "{name} is not in {grown:?}");
    }
    assert!(!grown.contains(stopped) && !grown.contains(REFUSED), "{grown:?}");
}

#[tokio::test]
async fn a_statement_that_is_given_up() {
    let (_fresh, db) = pool(|settings| settings).await;
    let before = Scrape::of(&db);
    assert!(tokio::time::timeout(300 * MS, db.query("SELECT pg_sleep(60)", &[])).await.is_err());
    until("it was stopped", PATIENCE, async || db.pool_status().checked_out == 0).await;
    let stopped = r#"plimsoll_statements_stopped_total{reason="dropped"}"#;
    only(&db, &before, &[&failed("dropped"), WAIT, USE, STATEMENTS, FAILED, stopped]);
}

#[tokio::test]
async fn a_wait_that_ends_by_the_pools_limit_and_the_exhaustion_that_it_is() {
    let (_fresh, db) = pool_of_one().await;
    let lease = db.acquire().await.unwrap();
    let before = Scrape::of(&db);
    assert_eq!(before.get("pool_utilization_pct"), 100.0);
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.map(drop).unwrap_err().fault() }
    });
    until("a caller waits", PATIENCE, async || {
        Scrape::of(&db).get("db_client_connection_pending_requests") == 1.0
    })
    .await;
    assert_eq!(waiting.await.unwrap(), Fault::PoolExhausted);
    let exhaustions = "system_pool_exhaustion_events_total";
    let names = [&given_up("timed_out"), REFUSED, WAIT, WAITED_IN_VAIN, TIMEOUTS, exhaustions];
    assert_eq!(only(&db, &before, &names).get("plimsoll_pool_exhausted"), 1.0);
    assert!(db.acquire().await.is_err());
    let now = only(&db, &before, &names);
    assert_eq!(
        (now.grown_since(&before)[exhaustions], now.grown_since(&before)[REFUSED]),
        (1, 2),
        "it is the same"
    );
    drop(lease);
    until("it is over", PATIENCE, async || Scrape::of(&db).get("plimsoll_pool_exhausted") == 0.0).await;
}

#[tokio::test]
async fn a_wait_that_ends_by_a_deadline_or_is_given_up_or_refused() {
    let (_fresh, db) = pool(|settings| settings.pool_max(1).max_waiting(1)).await;
    let lease = db.acquire().await.unwrap();
    let before = Scrape::of(&db);
    assert!(deadline::within(50 * MS, async { db.acquire().await }).await.is_err());
    only(&db, &before, &[&given_up("deadline_passed"), REFUSED, WAIT, WAITED_IN_VAIN, TIMEOUTS]);

    let before = Scrape::of(&db);
    assert!(tokio::time::timeout(50 * MS, db.acquire()).await.is_err());
    only(&db, &before, &[&given_up("dropped"), REFUSED, WAIT]);

    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.acquire().await.is_ok() }
    });
    until("the queue is full", PATIENCE, async || db.pool_status().waiting == 1).await;
    let before = Scrape::of(&db);
    assert_eq!(db.acquire().await.unwrap_err().fault(), Fault::QueueFull);
    only(&db, &before, &[&given_up("queue_full"), REFUSED, WAIT, "system_pool_exhaustion_events_total"]);
    drop(lease);
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn a_wait_at_a_cap_or_in_a_pause_or_in_a_closed_pool_is_no_exhaustion() {
    let (_fresh, db) = pool(|settings| settings.pool_max(2).pool_timeout(150 * MS)).await;
    let capped = db.named("report").at_most(1).acquire().await.unwrap();
    let before = Scrape::of(&db);
    assert!(db.named("report").at_most(1).acquire().await.is_err());
    only(&db, &before, &[&given_up("at_cap"), REFUSED, WAIT, WAITED_IN_VAIN, TIMEOUTS]);
    drop(capped);
    all_are_idle(&db).await;

    db.pause();
    let before = Scrape::of(&db);
    assert_eq!(before.get("plimsoll_pool_paused"), 1.0);
    assert!(db.acquire().await.is_err());
    only(&db, &before, &[&given_up("paused"), REFUSED, WAIT, WAITED_IN_VAIN, TIMEOUTS]);
    db.resume();

    let _ = db.close().await;
    let before = Scrape::of(&db);
    assert!(db.acquire().await.is_err());
    only(&db, &before, &[&given_up("pool_closed"), REFUSED, WAIT]);
}

#[tokio::test]
async fn tasks_that_wait_for_each_other() {
    let (_fresh, db) = pool(|settings| settings.pool_max(1).deadlock_after(100 * MS)).await;
    let before = Scrape::of(&db);
    let lease = db.acquire().await.unwrap();
    assert_eq!(db.acquire().await.unwrap_err().fault(), Fault::SelfDeadlock);
    only(&db, &before, &[&given_up("self_deadlock"), REFUSED, WAIT, "plimsoll_self_deadlocks_total"]);
    drop(lease);
}

#[tokio::test]
async fn a_lease_that_is_held_for_long() {
    let (_fresh, db) = pool(|settings| settings.leak_after(100 * MS)).await;
    let before = Scrape::of(&db);
    let lease = db.acquire().await.unwrap();
    assert_eq!(Scrape::of(&db).get("system_connection_leaks"), 0.0);
    let told = r#"plimsoll_leases_held_long_total{hold="leak"}"#;
    until("it is told of", PATIENCE, async || Scrape::of(&db).get(told) == 1.0).await;
    assert_eq!(only(&db, &before, &[WAIT, told]).get("system_connection_leaks"), 1.0);
    drop(lease);
    all_are_idle(&db).await;
    assert_eq!(Scrape::of(&db).get("system_connection_leaks"), 0.0);
}

#[tokio::test]
async fn a_slow_statement_is_no_leak() {
    let (_fresh, db) = pool(|settings| settings.leak_after(100 * MS)).await;
    let slow = tokio::spawn({
        let db = db.clone();
        async move { db.query("SELECT pg_sleep(0.6)", &[]).await.is_ok() }
    });
    let told = r#"plimsoll_leases_held_long_total{hold="slow_query"}"#;
    until("it is told of", PATIENCE, async || Scrape::of(&db).get(told) == 1.0).await;
    assert_eq!(Scrape::of(&db).get("system_connection_leaks"), 0.0);
    assert!(slow.await.unwrap());
}

#[tokio::test]
async fn two_writes_outside_a_transaction() {
    let (_fresh, db) = pool(|settings| settings).await;
    db.execute("CREATE TABLE written (id int)", &[]).await.unwrap();
    let unwrapped = "plimsoll_writes_unwrapped_total";
    db.transaction(async |tx| {
        tx.execute("INSERT INTO written VALUES (1)", &[]).await?;
        tx.execute("INSERT INTO written VALUES (2)", &[]).await
    })
    .await
    .unwrap();
    assert_eq!(Scrape::of(&db).get(unwrapped), 0.0);
    let lease = db.acquire().await.unwrap();
    lease.execute("INSERT INTO written VALUES (3)", &[]).await.unwrap();
    lease.execute("INSERT INTO written VALUES (4)", &[]).await.unwrap();
    assert_eq!(Scrape::of(&db).get(unwrapped), 1.0);
}

#[tokio::test]
async fn a_connection_that_is_checked() {
    let (_fresh, db) = pool(|settings| settings.check_after_idle(20 * MS)).await;
    let before = Scrape::of(&db);
    until("one was checked", PATIENCE, async || {
        tokio::time::sleep(30 * MS).await;
        drop(db.acquire().await.unwrap());
        Scrape::of(&db).get("plimsoll_connection_check_time_seconds_count") > 0.0
    })
    .await;
    only(&db, &before, &[WAIT, USE, "plimsoll_connection_check_time_seconds_count"]);
}

#[tokio::test]
async fn a_server_that_is_away() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/nowhere?sslmode=disable");
    let db = Database::connect(server::settings(&url).pool_timeout(300 * MS).breaker(Enforcement::Off))
        .await
        .unwrap();
    let before = Scrape::of(&db);
    assert_eq!(db.acquire().await.unwrap_err().fault(), Fault::Unreachable);
    let grown = Scrape::of(&db);
    let grown = grown.grown_names(&before);
    assert!(grown.contains(given_up("no_connection").as_str()), "{grown:?}");
    assert!(
        !grown.contains("system_pool_exhaustion_events_total"),
        "a server that is away is none: {grown:?}"
    );
    assert!(Scrape::of(&db).get(r#"plimsoll_connect_failures_total{code="PL-CON-01"}"#) >= 1.0);
    assert!(!db.health(true).await.reasons.is_empty());
    assert_eq!(Scrape::of(&db).get("plimsoll_health_check_failures_total"), 1.0);
}

#[tokio::test]
async fn a_breaker_that_is_opened_by_hand() {
    let (_fresh, db) = pool(|settings| settings).await;
    let before = Scrape::of(&db);
    db.isolate();
    assert_eq!(db.query("SELECT 1", &[]).await.unwrap_err().fault(), Fault::CircuitOpen);
    let now = only(&db, &before, &["plimsoll_breaker_refused_total"]);
    assert_eq!(now.get(r#"plimsoll_breaker_state{state="isolated",mode="on"}"#), 1.0);
    assert_eq!(now.get(r#"plimsoll_breaker_state{state="closed",mode="on"}"#), 0.0);
}

/// A pool whose server is away, once its breaker is open.
async fn open(mode: Enforcement) -> Database {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/nowhere?sslmode=disable");
    let db = Database::connect(server::settings(&url).pool_timeout(200 * MS).breaker(mode)).await.unwrap();
    assert_eq!(Scrape::of(&db).get("plimsoll_breaker_trips_total"), 0.0);
    until("it is open", PATIENCE, async || db.breaker().state == BreakerState::Open).await;
    db
}

#[tokio::test]
async fn a_breaker_that_opens_by_itself() {
    let db = open(Enforcement::On).await;
    let before = Scrape::of(&db);
    assert_eq!(db.query("SELECT 1", &[]).await.unwrap_err().fault(), Fault::CircuitOpen);
    let now = Scrape::of(&db);
    assert_eq!(now.get("plimsoll_breaker_trips_total"), 1.0);
    assert_eq!(now.get(r#"plimsoll_breaker_state{state="open",mode="on"}"#), 1.0);
    let grown = now.grown_names(&before);
    assert!(grown.contains("plimsoll_breaker_refused_total") && !grown.contains(REFUSED), "{grown:?}");

    let db = open(Enforcement::Dark).await;
    let before = Scrape::of(&db);
    assert_eq!(
        db.query("SELECT 1", &[]).await.unwrap_err().fault(),
        Fault::Unreachable,
        "it was let through"
    );
    let now = Scrape::of(&db);
    assert_eq!(now.get(r#"plimsoll_breaker_state{state="open",mode="dark"}"#), 1.0);
    let grown = now.grown_names(&before);
    assert!(grown.contains(r#"plimsoll_dark_would_refuse_total{by="breaker"}"#), "{grown:?}");
    assert!(!grown.contains("plimsoll_breaker_refused_total"), "{grown:?}");
}

#[tokio::test]
async fn a_connection_that_is_being_made_clean() {
    let fresh = test_server::database().await.unwrap();
    let wire = Proxy::in_front_of((fresh.server().host(), fresh.server().port())).await.unwrap();
    let settings = settings_for(&fresh).await.hosts(format!("127.0.0.1:{}", wire.port()));
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("SET search_path = nowhere").await.unwrap();
    assert_eq!(Scrape::of(&db).get("plimsoll_connections_returning"), 0.0);
    // So that it takes a while to undo that.
    wire.set(plimsoll_faults::Fault::delay(Direction::Both, 300 * MS));
    drop(lease);
    until("it is being made clean", PATIENCE, async || {
        Scrape::of(&db).get("plimsoll_connections_returning") == 1.0
    })
    .await;
    until("it is clean", PATIENCE, async || Scrape::of(&db).get("plimsoll_connections_returning") == 0.0)
        .await;
    assert_eq!(Scrape::of(&db).get(RECLAIMED), 1.0);
}

/// Forty callers one after the other on one connection, each for a while; then one that has no time for such a queue. A
/// forecast needs sixteen hand-overs.
async fn crowd(db: &Database) -> Option<Fault> {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let db = db.clone();
        callers.spawn(async move {
            let lease = db.acquire().await.unwrap();
            tokio::time::sleep(30 * MS).await;
            drop(lease);
        });
    }
    until("twenty were served", PATIENCE, async || db.pool_status().acquired >= 20).await;
    let refused =
        deadline::within(90 * MS, async { db.acquire().await }).await.err().map(|error| error.fault());
    callers.join_all().await;
    refused
}

#[tokio::test]
async fn a_caller_that_could_not_be_served_in_time() {
    let (_fresh, db) = pool(|settings| settings.pool_max(1).admission(Enforcement::On)).await;
    assert_eq!(crowd(&db).await, Some(Fault::Overloaded));
    assert_eq!(Scrape::of(&db).get(&given_up("overloaded")), 1.0);
    assert_eq!(Scrape::of(&db).get(r#"plimsoll_dark_would_refuse_total{by="admission"}"#), 0.0);
    assert_eq!(Scrape::of(&db).get("system_pool_exhaustion_events_total"), 1.0);
}

#[tokio::test]
async fn what_would_have_been_refused_in_the_dark() {
    let dark = |settings: Settings| settings.pool_max(1).admission(Enforcement::Dark);
    let (_fresh, db) = pool(dark).await;
    assert_eq!(crowd(&db).await, Some(Fault::DeadlinePassed), "it was let in, and waited in vain");
    let now = Scrape::of(&db);
    assert_eq!(now.get(r#"plimsoll_dark_would_refuse_total{by="admission"}"#), 1.0);
    assert_eq!((now.get(&given_up("overloaded")), now.get(&given_up("deadline_passed"))), (0.0, 1.0));

    let (_fresh, db) = pool(|settings| dark(settings).pool_min(3).pool_max(3).priority_reserve(2)).await;
    until("all are open", PATIENCE, async || db.pool_status().checked_in == 3).await;
    let before = Scrape::of(&db);
    let _first = db.named("report").at_most(1).acquire().await.unwrap();
    let _second = db.named("report").at_most(1).acquire().await.unwrap();
    let now = Scrape::of(&db);
    let grown = now.grown_names(&before);
    assert!(grown.contains(r#"plimsoll_dark_would_refuse_total{by="cap"}"#), "{grown:?}");
    assert!(grown.contains(r#"plimsoll_dark_would_refuse_total{by="reserve"}"#), "{grown:?}");
    assert!(!grown.contains(r#"plimsoll_dark_would_refuse_total{by="admission"}"#), "{grown:?}");
}

#[tokio::test]
async fn nothing_while_monitoring_is_off_but_what_the_pool_counts_itself() {
    let (_fresh, db) = pool(|settings| settings.monitoring(false)).await;
    let before = Scrape::of(&db);
    let lease = db.acquire().await.unwrap();
    lease.query("SELECT 1", &[]).await.unwrap();
    let now = only(&db, &before, &[]);
    assert_eq!((now.get("plimsoll_monitor_recording"), now.get("pool_utilization_pct")), (0.0, 20.0));
    assert!(
        !now.has("queries_avg_duration_ms") && !now.has("queries_error_rate"),
        "a mean of nothing is not told"
    );
}

/// Where each metric is seen to move: here, among the closings, or among the events.
#[test]
fn and_no_metric_is_left_out() {
    let here = [
        include_str!("a_metric_moves_with_its_cause_and_not_without.rs"),
        include_str!("closed_connections_are_counted_by_reason.rs"),
        include_str!("../../../src/watch/metrics/tests.rs"),
    ]
    .concat();
    let missing: Vec<String> = metrics()
        .map(|metric| metric.prometheus_name())
        .filter(|name| !here.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "no test shows these to move: {missing:?}");
}
