//! Work runs again only when it was rolled back for certain by something that may pass: a storm of collisions
//! converges, while a commit of unknown outcome, a mistake and an error of the caller's own run exactly once.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Isolation, Outcome, Transaction, deadline};
use plimsoll_faults::{Direction, Fault as Broken, When};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const TASKS: i32 = 4;
const EACH: i32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_collisions_converges_and_counts_each_success_once() {
    let db = ledger().await;
    db.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)").await.unwrap();
    // Here five tries are the limit, and not the budget.
    let settings = server::settings_for(&db).await.retry_share(1.0).retry_floor(1_000);
    let pool = Database::connect(settings).await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let (mut done, mut collided) = (0, 0);
                while done < EACH {
                    let runs = AtomicU32::new(0);
                    let count = async |tx: Transaction| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        let row = tx.query_one("SELECT n FROM counter", &[]).await?;
                        let next = row.get::<_, i32>(0) + 1;
                        tx.execute("UPDATE counter SET n = $1", &[&next]).await
                    };
                    match pool.named("count").isolation(Isolation::Serializable).retrying(count).await {
                        Ok(_) => done += 1,
                        Err(error) => {
                            assert_eq!(error.fault(), Fault::SerializationFailure, "{error}");
                            assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
                            assert_eq!(runs.load(Ordering::Relaxed), 5, "{error}");
                            assert!(error.sentence().contains("tried 5 times"), "{error}");
                            collided += 1;
                        }
                    }
                }
                collided
            })
        })
        .collect();
    let mut gave_up = 0;
    for task in tasks {
        gave_up += task.await.unwrap();
    }
    assert_eq!(server::text(&db, "SELECT n FROM counter").await, (TASKS * EACH).to_string());
    assert!(gave_up <= TASKS * EACH, "more gave up than came through: {gave_up}");
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_runs_once() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    let runs = AtomicU32::new(0);
    wire.set(Broken::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    let work = async |tx: Transaction| {
        runs.fetch_add(1, Ordering::Relaxed);
        tx.execute(INSERT, &[&1]).await
    };
    let error = pool.retrying(work).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(entries(&db).await, [1]);
}

#[tokio::test]
async fn a_connection_lost_before_the_commit_runs_again_and_is_done_once() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    // One connection at a time, so that the first try prepares the statement and the second finds it prepared.
    let pool = Database::connect(server::settings(&url).pool_max(1)).await.unwrap();
    let runs = AtomicU32::new(0);
    for (message, kind) in [("INSERT", b'P'), ("", b'E'), ("BEGIN", b'Q')] {
        db.execute("TRUNCATE entry").await.unwrap();
        runs.store(0, Ordering::Relaxed);
        wire.set_once(Broken::on_message(Direction::ToServer, kind, message, When::AnswerDropped));
        let work = async |tx: Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.execute(INSERT, &[&1]).await
        };
        pool.retrying(work).await.unwrap();
        let expected = if message == "BEGIN" { 1 } else { 2 };
        assert_eq!(runs.load(Ordering::Relaxed), expected, "the closure, with {message:?} cut");
        assert_eq!(entries(&db).await, [1]);
    }
    assert_eq!(wire.struck(), 3);
}

#[tokio::test]
async fn what_would_fail_again_runs_once() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let own = || Error::abort("enough");
    let cases: [(&str, Option<Fault>); 4] = [
        ("INSERT INTO entry VALUES (1), (1)", Some(Fault::Constraint)),
        ("SELECT 1 / 0", Some(Fault::Data)),
        ("SELEKT", Some(Fault::BadStatement)),
        ("SELECT 1", None),
    ];
    for (sql, fault) in cases {
        let runs = AtomicU32::new(0);
        let work = async |tx: Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.query(sql, &[]).await?;
            Err::<(), _>(own())
        };
        let error = pool.retrying(work).await.unwrap_err();
        assert_eq!(error.fault(), fault.unwrap_or(Fault::Aborted), "{error}");
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{error}");
    }
    let runs = AtomicU32::new(0);
    let work = async |tx: Transaction| {
        runs.fetch_add(1, Ordering::Relaxed);
        tx.query("SELECT pg_sleep(60)", &[]).await
    };
    let error =
        pool.named("nap").statement_timeout(Duration::from_millis(50)).retrying(work).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_transaction_that_nobody_declared_retrying_runs_once() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    db.execute(
        "CREATE FUNCTION collide() RETURNS void LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END $$",
    )
    .await
    .unwrap();
    let runs = AtomicU32::new(0);
    let work = async |tx: Transaction| {
        runs.fetch_add(1, Ordering::Relaxed);
        tx.query("SELECT collide()", &[]).await
    };
    let error = pool.transaction(work).await.unwrap_err();
    assert!(error.may_run_again(), "{error}");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let error = pool.retrying(work).await.unwrap_err();
    assert_eq!(runs.load(Ordering::Relaxed), 6, "{error}");
}

#[tokio::test]
async fn no_try_begins_after_the_deadline_and_the_last_error_is_the_true_one() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let holder = pool.begin().await.unwrap();
    holder.execute(INSERT, &[&1]).await.unwrap();
    let runs = AtomicU32::new(0);
    let work = async |tx: Transaction| {
        runs.fetch_add(1, Ordering::Relaxed);
        tx.execute(INSERT, &[&1]).await
    };
    let call = pool.named("wait").lock_timeout(Duration::from_millis(150)).retry_lock_timeouts();
    let began = Instant::now();
    let error = deadline::within(Duration::from_millis(500), call.retrying(work)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_millis(850), "{:?}", began.elapsed());
    assert!(matches!(error.fault(), Fault::LockTimeout | Fault::DeadlinePassed), "{error}");
    assert!(matches!(error.outcome(), Outcome::RolledBack | Outcome::NotStarted), "{error}");
    let runs = runs.load(Ordering::Relaxed);
    assert!((2..=4).contains(&runs), "tries that fit into the time: {runs}");
    assert!(error.sentence().contains("tried"), "{error}");
    holder.rollback().await;
}

#[tokio::test]
async fn a_lock_that_was_not_to_be_had_is_waited_for_again_only_when_that_is_asked_for() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let holder = pool.begin().await.unwrap();
    holder.execute(INSERT, &[&1]).await.unwrap();
    let call = || pool.named("wait").lock_timeout(Duration::from_millis(20));
    for (call, tries) in [(call(), 1), (call().retry_lock_timeouts(), 5)] {
        let runs = AtomicU32::new(0);
        let work = async |tx: Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.execute(INSERT, &[&1]).await
        };
        let error = call.clone().retrying(work).await.unwrap_err();
        assert_eq!((error.fault(), error.attempts()), (Fault::LockTimeout, tries), "{error}");
        assert_eq!(runs.load(Ordering::Relaxed), tries);
        let error = call.idempotent().execute(INSERT, &[&1]).await.unwrap_err();
        assert_eq!((error.fault(), error.attempts()), (Fault::LockTimeout, tries), "{error}");
    }
    holder.rollback().await;
}
