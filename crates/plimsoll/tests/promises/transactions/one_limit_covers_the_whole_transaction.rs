//! One limit covers all of a transaction, and one deadline all of a request: what is left is shared by whatever
//! waits inside, however many statements that is, and nothing starts anew.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Fault, Outcome, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use std::time::Duration;
use tokio::time::Instant;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// By its deadline and the promised tenth of a second; the rest is for a machine that is busy with other things.
fn in_time(began: Instant, limit: Duration) {
    let took = began.elapsed();
    assert!(took < limit + ms(100) + ms(250), "took {took:?} under a limit of {limit:?}");
}

async fn nobody_works(db: &TestDatabase) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity \
               WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    server::until("the server is at rest", ms(2_000), async || server::text(db, sql).await == "0").await;
}

#[tokio::test]
async fn three_statements_share_the_transactions_limit() {
    let db = ledger().await;
    let pool = server::settings_for(&db).await.transaction_timeout(ms(600));
    let pool = Database::connect(pool).await.unwrap();
    let began = Instant::now();
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        for _ in 0..3 {
            tx.query("SELECT pg_sleep(0.3)", &[]).await?;
        }
        Ok(())
    };
    let error = pool.transaction(work).await.unwrap_err();
    in_time(began, ms(600));
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionTimeout, Outcome::RolledBack), "{error}");
    assert!(!error.may_run_again());
    assert!(entries(&db).await.is_empty());
    nobody_works(&db).await;
    pool.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_guard_that_is_held_too_long_cannot_go_on() {
    let db = ledger().await;
    let pool = server::settings_for(&db).await.transaction_timeout(ms(600));
    let pool = Database::connect(pool).await.unwrap();
    let tx = pool.begin().await.unwrap();
    tx.execute(INSERT, &[&1]).await.unwrap();
    // Time itself is the point: twice the caller does something else, and neither pause is too long by itself.
    tokio::time::sleep(ms(310)).await;
    tx.query("SELECT 1", &[]).await.unwrap();
    tokio::time::sleep(ms(310)).await;
    let error = tx.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionTimeout, Outcome::RolledBack), "{error}");
    let error = tx.commit().await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionTimeout, Outcome::RolledBack), "{error}");
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn the_server_keeps_the_limit_too_where_it_can() {
    let db = ledger().await;
    let pool = server::settings_for(&db).await.transaction_timeout(ms(600));
    let pool = Database::connect(pool).await.unwrap();
    let lease = pool.acquire().await.unwrap();
    if lease.server_version() < 170_000 {
        return;
    }
    // The driver's own methods, which nothing here bounds.
    let raw = lease.as_ref();
    raw.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        .await
        .unwrap();
    raw.batch_execute("BEGIN").await.unwrap();
    let began = Instant::now();
    let error = raw.batch_execute("SELECT pg_sleep(60)").await.unwrap_err();
    in_time(began, ms(600));
    assert_eq!(plimsoll::Error::from(error).fault(), Fault::TransactionTimeout);
    drop(lease);
    pool.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn an_earlier_deadline_is_the_one_that_counts_and_is_named() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        for _ in 0..5 {
            tx.query("SELECT pg_sleep(0.15)", &[]).await?;
        }
        Ok(())
    };
    let began = Instant::now();
    let error = deadline::within(ms(400), pool.transaction(work)).await.unwrap_err();
    in_time(began, ms(400));
    assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::RolledBack), "{error}");

    let began = Instant::now();
    let error = pool.named("brief").within(ms(400)).transaction(work).await.unwrap_err();
    in_time(began, ms(400));
    assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::RolledBack), "{error}");
    assert!(entries(&db).await.is_empty());
    nobody_works(&db).await;
}

#[tokio::test]
async fn waiting_for_a_connection_uses_up_the_same_time() {
    let db = ledger().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    let held = pool.acquire().await.unwrap();
    let began = Instant::now();
    let error = deadline::within(ms(300), pool.query("SELECT 1", &[])).await.unwrap_err();
    in_time(began, ms(300));
    assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::NotStarted), "{error}");

    let began = Instant::now();
    let give_back = async {
        tokio::time::sleep(ms(250)).await;
        drop(held);
    };
    let ask = deadline::within(ms(600), async {
        let lease = pool.acquire().await?;
        lease.query("SELECT pg_sleep(60)", &[]).await
    });
    let (answer, ()) = tokio::join!(ask, give_back);
    let error = answer.unwrap_err();
    in_time(began, ms(600));
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
    nobody_works(&db).await;
}

#[tokio::test]
async fn a_deadline_inside_another_can_only_be_earlier() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let began = Instant::now();
    let nested = deadline::within(ms(60_000), pool.query("SELECT pg_sleep(60)", &[]));
    let error = deadline::within(ms(300), nested).await.unwrap_err();
    in_time(began, ms(300));
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
}

#[tokio::test]
async fn a_spawned_task_inherits_what_it_is_handed_and_nothing_else() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let began = Instant::now();
    let (alone, inherited) = deadline::within(ms(300), async {
        let alone = tokio::spawn(async { deadline::current() });
        let pool = pool.clone();
        let work = async move { pool.query("SELECT pg_sleep(60)", &[]).await };
        (alone.await.unwrap(), tokio::spawn(deadline::inherit(work)).await.unwrap())
    })
    .await;
    in_time(began, ms(300));
    assert_eq!(alone, None);
    assert_eq!(inherited.unwrap_err().fault(), Fault::DeadlinePassed);
    nobody_works(&db).await;
}
