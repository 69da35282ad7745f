//! Limits are suggested from what statements take, with the reason; they are applied only by a call that asks for it.

use crate::server::settings_for;
use plimsoll::monitor::SuggestedLimit;
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::test_server;
use std::time::{Duration, Instant};

/// A statement that takes as long as its parameter says.
const SLEEP: &str = "SELECT pg_sleep($1::float8)";

async fn pool() -> (test_server::TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await).await.unwrap();
    (fresh, db)
}

fn of(db: &Database, template: &str) -> SuggestedLimit {
    let all = db.monitor().suggested_limits();
    let found = all.into_iter().find(|suggested| suggested.query_template == template);
    found.unwrap_or_else(|| panic!("{template} was never run"))
}

async fn run(db: &Database, times: usize, seconds: f64) {
    let lease = db.acquire().await.unwrap();
    for _ in 0..times {
        lease.query(SLEEP, &[&seconds]).await.unwrap();
    }
}

#[tokio::test]
async fn with_the_numbers_they_are_made_of() {
    let (_fresh, db) = pool().await;
    run(&db, 199, 0.0).await;
    let few = of(&db, "select pg_sleep(?::float8)");
    assert_eq!((few.limit_ms, few.configured_ms, few.samples), (Some(30_000.0), Some(30_000.0), 199));
    assert!(few.reason.contains("200 executions are needed"), "{few}");

    run(&db, 1, 0.0).await;
    let enough = of(&db, "select pg_sleep(?::float8)");
    let limit = enough.limit_ms.unwrap();
    assert!((250.0..30_000.0).contains(&limit), "{enough}");
    assert!((limit - (4.0 * enough.p99_ms.unwrap()).max(250.0)).abs() < 0.01, "{enough}");
    let line = enough.to_string();
    assert!(
        line.starts_with("select pg_sleep(?::float8): ") && line.contains("200 samples, 0 of them stopped"),
        "{line}"
    );
    assert!(line.contains("configured 30000 ms"), "{line}");

    // An error of the statement itself says nothing of how long it takes.
    for _ in 0..3 {
        assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    }
    assert_eq!(of(&db, "select ? / ?").samples, 0);
}

#[tokio::test]
async fn where_many_are_stopped_nothing_shorter_is_suggested() {
    let (_fresh, db) = pool().await;
    run(&db, 300, 0.0).await;
    for _ in 0..4 {
        let limited = db.named("limited").statement_timeout(Duration::from_millis(50));
        assert_eq!(limited.query(SLEEP, &[&60.0]).await.unwrap_err().fault(), Fault::StatementTimeout);
    }
    let suggested = of(&db, "select pg_sleep(?::float8)");
    assert_eq!((suggested.limit_ms, suggested.p99_ms, suggested.cut_off), (Some(30_000.0), None, 4));
    assert!(suggested.reason.contains("was stopped"), "{suggested}");
}

#[tokio::test]
async fn and_by_a_call_that_asks_for_it() {
    let (_fresh, db) = pool().await;
    run(&db, 300, 0.0).await;
    let limit = of(&db, "select pg_sleep(?::float8)").limit_ms.unwrap();
    assert!(limit < 5_000.0, "the machine is too slow to tell the two limits apart: {limit} ms");

    let began = Instant::now();
    let error = db.named("adaptive").adaptive().query(SLEEP, &[&60.0]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::StatementTimeout, Outcome::RolledBack), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    let began = Instant::now();
    let as_transaction = db.named("adaptive").adaptive().read_only().query(SLEEP, &[&60.0]).await;
    assert_eq!(as_transaction.unwrap_err().fault(), Fault::StatementTimeout);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    // What does not ask for it, and what is not known yet, has the configured limit.
    let longer = limit / 1e3 + 1.0;
    db.named("not adaptive").query(SLEEP, &[&longer]).await.unwrap();
    db.named("adaptive").adaptive().query("SELECT pg_sleep($1::float8), 1", &[&longer]).await.unwrap();
}
