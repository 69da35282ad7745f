//! A try that fails with something else than the one before says what that one failed with; and all tries end by one
//! deadline.

use crate::ledger::ledger;
use crate::server;
use plimsoll::{Database, Fault, Outcome, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

async fn failing() -> (TestDatabase, Database) {
    let db = ledger().await;
    let sql = "CREATE FUNCTION fail(code text) RETURNS void LANGUAGE plpgsql AS \
               $$ BEGIN RAISE EXCEPTION 'failed' USING ERRCODE = code; END $$";
    db.execute(sql).await.unwrap();
    let pool = server::database(&db).await;
    (db, pool)
}

/// Fails with these codes, one after the other, and gives the error.
async fn fail(pool: &Database, codes: &[&str]) -> plimsoll::Error {
    let runs = AtomicUsize::new(0);
    let work = async |tx: Transaction| {
        let code = codes[runs.fetch_add(1, Ordering::Relaxed)];
        tx.query("SELECT fail($1)", &[&code]).await
    };
    pool.retrying(work).await.unwrap_err()
}

#[tokio::test]
async fn it_says_both() {
    let (_db, pool) = failing().await;
    let error = fail(&pool, &["40001", "22012"]).await;
    assert_eq!((error.fault(), error.attempts()), (Fault::Data, 2), "{error}");
    assert_eq!(error.outcome(), Outcome::RolledBack);
    let (last, before) =
        error.sentence().split_once("; tried 2 times; the try before failed with: ").unwrap();
    assert!(last.contains("22012") && before.contains("40001"), "{error}");

    let error = fail(&pool, &["40001", "40P01", "22012"]).await;
    let (_, first) = error.sentence().split_once("; tried 3 times; the first try failed with: ").unwrap();
    assert!(first.contains("40001"), "{error}");
}

#[tokio::test]
async fn it_says_nothing_twice() {
    let (_db, pool) = failing().await;
    let error = fail(&pool, &["40001", "40P01", "40001", "40001", "40001"]).await;
    assert!(error.sentence().ends_with("; tried 5 times"), "{error}");
    let error = fail(&pool, &["22012"]).await;
    assert_eq!(error.attempts(), 1);
    assert!(!error.sentence().contains("tried"), "{error}");
}

#[tokio::test]
async fn all_tries_end_by_one_deadline() {
    let (_db, pool) = failing().await;
    let work = async |tx: Transaction| {
        tx.query("SELECT pg_sleep(0.1)", &[]).await?;
        tx.query("SELECT fail('40001')", &[]).await
    };
    let began = Instant::now();
    let error = deadline::within(Duration::from_millis(350), pool.retrying(work)).await.unwrap_err();
    let took = began.elapsed();
    assert!(took < Duration::from_millis(650), "{took:?}: {error}");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    assert!((1..5).contains(&error.attempts()), "{error}");
    assert!(error.sentence().contains("40001"), "the first failure is told, whatever the last was: {error}");
}
