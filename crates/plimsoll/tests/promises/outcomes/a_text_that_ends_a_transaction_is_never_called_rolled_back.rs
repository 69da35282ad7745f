//! A COMMIT is a COMMIT whoever sends it: by `execute`, in a batch, inside a transaction of ours. If its answer is lost
//! nobody knows what became of it, and nobody says so; and a transaction that was ended by anything but our own end is
//! seen by the server's command tags, even where the next one is open already.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Transaction, deadline};
use plimsoll_faults::{Direction, Fault as Broken, When};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn is_unknown(error: &Error) {
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(!error.may_run_again(), "{error}");
}

/// An INSERT and the end of its transaction in one text.
const ENDS: [&str; 5] = [
    "COMMIT",
    "INSERT INTO entry VALUES (2); COMMIT",
    "INSERT INTO entry VALUES (2); END; SELECT 1",
    "/* done */ commit work; begin",
    "INSERT INTO entry VALUES (2); COMMIT AND CHAIN",
];

#[tokio::test]
async fn on_a_lease_a_lost_answer_is_unknown() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    for sql in ENDS {
        db.execute("TRUNCATE entry").await.unwrap();
        let lease = pool.acquire().await.unwrap();
        lease.batch_execute("BEGIN").await.unwrap();
        lease.execute(INSERT, &[&1]).await.unwrap();
        wire.set_once(Broken::on_message(Direction::ToServer, b'Q', sql, When::AnswerDropped));
        let error = lease.batch_execute(sql).await.unwrap_err();
        is_unknown(&error);
        drop(lease);
        assert!(entries(&db).await.contains(&1), "{sql}: it was committed");
    }
    // By the extended protocol.
    for sql in ["COMMIT", "END WORK"] {
        db.execute("TRUNCATE entry").await.unwrap();
        let lease = pool.acquire().await.unwrap();
        lease.batch_execute("BEGIN").await.unwrap();
        lease.execute(INSERT, &[&1]).await.unwrap();
        let end = lease.prepare(sql).await.unwrap();
        wire.set_once(Broken::on_message(Direction::ToServer, b'E', "", When::AnswerDropped));
        is_unknown(&lease.execute(&end, &[]).await.unwrap_err());
        drop(lease);
        assert_eq!(entries(&db).await, [1], "{sql}: it was committed");
    }
}

#[tokio::test]
async fn a_late_answer_is_unknown_too() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    for inside in [false, true] {
        db.execute("TRUNCATE slow").await.unwrap();
        let slow = "INSERT INTO slow VALUES ($1)";
        let short = Duration::from_millis(200);
        let error = if inside {
            let tx = pool.begin().await.unwrap();
            tx.execute(slow, &[&1]).await.unwrap();
            let error = deadline::within(short, tx.batch_execute("COMMIT")).await.unwrap_err();
            is_unknown(&tx.commit().await.unwrap_err());
            error
        } else {
            let lease = pool.acquire().await.unwrap();
            lease.batch_execute("BEGIN").await.unwrap();
            lease.execute(slow, &[&1]).await.unwrap();
            deadline::within(short, lease.batch_execute("COMMIT")).await.unwrap_err()
        };
        is_unknown(&error);
        server::until("it is committed all the same", server::PATIENCE, async || {
            ledger::ids(&db, "slow").await == [1]
        })
        .await;
    }
}

#[tokio::test]
async fn in_a_transaction_of_ours_a_lost_answer_is_unknown_and_runs_once() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    for sql in ENDS {
        db.execute("TRUNCATE entry").await.unwrap();
        let runs = AtomicU32::new(0);
        wire.set_once(Broken::on_message(Direction::ToServer, b'Q', sql, When::AnswerDropped));
        let work = async |tx: Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.execute(INSERT, &[&1]).await?;
            tx.batch_execute(sql).await.inspect_err(is_unknown)
        };
        is_unknown(&pool.retrying(work).await.unwrap_err());
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{sql}");
        assert!(entries(&db).await.contains(&1), "{sql}: it was committed");
    }
}

#[tokio::test]
async fn a_transaction_that_goes_on_as_another_is_neither_committed_nor_rolled_back() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let texts = [
        "ROLLBACK AND CHAIN",
        "rollback; begin",
        "COMMIT AND CHAIN",
        "COMMIT; BEGIN",
        "abort;start transaction",
        "ROLLBACK TO a; ROLLBACK; BEGIN",
    ];
    for sql in texts {
        for fails in [false, true] {
            db.execute("TRUNCATE entry").await.unwrap();
            let runs = AtomicU32::new(0);
            let work = async |tx: Transaction| {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                tx.execute(INSERT, &[&(run as i32)]).await?;
                tx.batch_execute("SAVEPOINT a").await?;
                tx.batch_execute(sql).await?;
                if fails { Err(Error::abort("enough")) } else { Ok(()) }
            };
            is_unknown(&pool.retrying(work).await.unwrap_err());
            assert_eq!(runs.load(Ordering::Relaxed), 1, "{sql}");
            // A statement behind it is not sent into a stranger's transaction.
            let tx = pool.begin().await.unwrap();
            tx.batch_execute("SAVEPOINT a").await.unwrap();
            tx.batch_execute(sql).await.unwrap();
            let error = tx.execute(INSERT, &[&99]).await.unwrap_err();
            assert_eq!(
                (error.fault(), error.outcome()),
                (Fault::TransactionState, Outcome::NotStarted),
                "{error}"
            );
            is_unknown(&tx.commit().await.unwrap_err());
            assert!(!entries(&db).await.contains(&99));
        }
    }
    // By the extended protocol, and prepared.
    for sql in ["ROLLBACK AND CHAIN", "COMMIT AND CHAIN"] {
        let tx = pool.begin().await.unwrap();
        tx.execute(sql, &[]).await.unwrap();
        is_unknown(&tx.commit().await.unwrap_err());
    }
}

#[tokio::test]
async fn rolling_back_to_a_savepoint_by_hand_ends_nothing() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let undo = [
        "ROLLBACK TO a",
        "rollback work to savepoint a",
        "ROLLBACK TRANSACTION TO SAVEPOINT a; RELEASE a; SAVEPOINT a",
    ];
    for (id, sql) in (0..).zip(undo) {
        let work = async |tx: Transaction| {
            tx.execute(INSERT, &[&id]).await?;
            tx.batch_execute("SAVEPOINT a").await?;
            tx.execute(INSERT, &[&(100 + id)]).await?;
            tx.batch_execute(sql).await?;
            // Prepared under a name, which is then bound twice.
            tx.execute("ROLLBACK TO a", &[]).await?;
            tx.execute("ROLLBACK TO a", &[]).await
        };
        pool.transaction(work).await.unwrap();
    }
    assert_eq!(entries(&db).await, [0, 1, 2]);
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_is_rolled_back() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let twice = "INSERT INTO careful VALUES (1), (1)";
    let lease = pool.acquire().await.unwrap();
    for commit in ["COMMIT", "SELECT 1; COMMIT"] {
        lease.batch_execute("BEGIN").await.unwrap();
        lease.execute(twice, &[]).await.unwrap();
        let error = lease.batch_execute(commit).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::Constraint, Outcome::RolledBack), "{error}");
    }
    // What stands behind a COMMIT that was done says nothing of it.
    lease.batch_execute("BEGIN").await.unwrap();
    lease.execute(INSERT, &[&5]).await.unwrap();
    is_unknown(&lease.batch_execute("COMMIT; SELECT 1 / 0").await.unwrap_err());
    assert_eq!(entries(&db).await, [5]);
    drop(lease);
    let error = pool
        .acquire()
        .await
        .unwrap()
        .batch_execute("INSERT INTO entry VALUES (6); COMMIT; INSERT INTO entry VALUES (7, 8)")
        .await
        .unwrap_err();
    is_unknown(&error);
    assert_eq!(entries(&db).await, [5, 6]);
}
