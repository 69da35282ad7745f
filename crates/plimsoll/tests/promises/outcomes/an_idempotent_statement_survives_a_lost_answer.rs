//! A statement whose author declared that twice is the same as once runs again when its answer is lost; one of which
//! nobody said so does not, and is stored at most once.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::{Direction, Fault as Broken, Proxy, When};
use std::time::Duration;
use tokio::time::Instant;

const PUT: &str = "INSERT INTO entry VALUES ($1) ON CONFLICT DO NOTHING";
const READ: &str = "SELECT id FROM entry ORDER BY id";

/// A pool of one by way of a wire, on which both statements are known, so that each travels as one message.
async fn over_a_wire() -> (TestDatabase, Proxy, Database) {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url).pool_max(1)).await.unwrap();
    pool.execute(PUT, &[&1]).await.unwrap();
    pool.query(READ, &[]).await.unwrap();
    (db, wire, pool)
}

fn at_the_statement(when: When) -> Broken {
    Broken::on_message(Direction::ToServer, b'E', "", when)
}

#[tokio::test]
async fn declared_it_runs_again_and_succeeds() {
    for when in [When::Before, When::AnswerDropped] {
        let (db, wire, pool) = over_a_wire().await;
        wire.set_once(at_the_statement(when));
        let rows = pool.named("put").idempotent().execute(PUT, &[&2]).await.unwrap();
        assert_eq!(rows, if when == When::Before { 1 } else { 0 }, "what the last try touched");
        assert_eq!(wire.struck(), 1);
        assert_eq!(entries(&db).await, [1, 2]);
        let status = pool.retry_status();
        assert_eq!((status.calls, status.retries), (1, 1));
    }
}

#[tokio::test]
async fn declared_it_reads_again_in_every_form() {
    let (_db, wire, pool) = over_a_wire().await;
    let again = || {
        wire.set_once(at_the_statement(When::AnswerDropped));
        pool.named("read").idempotent()
    };
    assert_eq!(again().query(READ, &[]).await.unwrap().len(), 1);
    assert_eq!(again().query_one(READ, &[]).await.unwrap().get::<_, i32>(0), 1);
    assert!(again().query_opt(READ, &[]).await.unwrap().is_some());
    assert_eq!(wire.struck(), 3);
    let none = pool.named("read none").idempotent().query_one("SELECT 1 WHERE false", &[]).await.unwrap_err();
    assert_eq!((none.fault(), none.attempts()), (Fault::RowCount, 1), "{none}");
}

#[tokio::test]
async fn not_declared_it_is_unknown_and_stored_at_most_once() {
    let (db, wire, pool) = over_a_wire().await;
    pool.execute(INSERT, &[&2]).await.unwrap();
    wire.set_once(at_the_statement(When::AnswerDropped));
    let error = pool.execute(INSERT, &[&3]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::ConnectionLost, Outcome::Unknown), "{error}");
    assert_eq!(error.attempts(), 1);
    assert_eq!(wire.struck(), 1);
    assert_eq!(entries(&db).await, [1, 2, 3]);
    assert_eq!(pool.retry_status().calls, 0);
}

#[tokio::test]
async fn when_the_last_try_says_rolled_back_the_whole_is_unknown_all_the_same() {
    let (db, wire, pool) = over_a_wire().await;
    // Declared although it is not so: the second run meets what the first has stored.
    pool.execute(INSERT, &[&2]).await.unwrap();
    wire.set_once(at_the_statement(When::AnswerDropped));
    let error = pool.named("put").idempotent().execute(INSERT, &[&3]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Constraint, Outcome::Unknown), "{error}");
    assert_eq!(error.attempts(), 2);
    assert!(error.sentence().contains("tried 2 times; the try before failed with: "), "{error}");
    assert_eq!(entries(&db).await, [1, 2, 3]);
}

#[tokio::test]
async fn lost_every_time_it_gives_up_and_says_how_often() {
    let (_db, wire, pool) = over_a_wire().await;
    wire.set(at_the_statement(When::AnswerDropped));
    let error = pool.named("put").idempotent().execute(PUT, &[&2]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::ConnectionLost, Outcome::Unknown), "{error}");
    assert_eq!(error.attempts(), 5);
    assert!(error.sentence().ends_with("tried 5 times"), "{error}");
}

#[tokio::test]
async fn one_limit_of_its_own_covers_all_tries() {
    let (_db, wire, pool) = over_a_wire().await;
    wire.set(at_the_statement(When::AnswerDropped));
    let began = Instant::now();
    let call = pool.named("put").within(Duration::from_millis(400)).idempotent();
    let error = call.execute("SELECT pg_sleep(0.15) FROM entry", &[]).await.unwrap_err();
    let took = began.elapsed();
    assert!(took < Duration::from_millis(700), "{took:?}: {error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!((1..5).contains(&error.attempts()), "{error}");
}
