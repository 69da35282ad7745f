//! What a savepoint was told is undone is undone, whatever its own deadline says, or the transaction is not committed; and
//! what was told to be kept is not undone by another savepoint beside it.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Transaction, deadline};
use plimsoll_faults::{Direction, Fault as Broken, When};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn one_whose_deadline_passes_is_undone_and_the_rest_commits() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let slow = async |tx: Transaction| {
            tx.execute(INSERT, &[&2]).await?;
            tx.query("SELECT pg_sleep(10)", &[]).await
        };
        let error = deadline::within(SHORT, tx.savepoint(slow)).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
        // The time is up although nothing runs.
        let idle = async |tx: Transaction| {
            tx.execute(INSERT, &[&3]).await?;
            sleep(SHORT * 2).await;
            Err::<(), _>(Error::abort("too late"))
        };
        let error = deadline::within(SHORT, tx.savepoint(idle)).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::Aborted, Outcome::RolledBack), "{error}");
        // Its work is done, and its time is up before that can be kept.
        let late = async |tx: Transaction| {
            tx.execute(INSERT, &[&4]).await?;
            sleep(SHORT * 2).await;
            Ok(())
        };
        let error = deadline::within(SHORT, tx.savepoint(late)).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::RolledBack), "{error}");
        tx.execute(INSERT, &[&5]).await
    };
    pool.transaction(work).await.unwrap();
    assert_eq!(entries(&db).await, [1, 5]);
}

#[tokio::test]
async fn one_that_was_dropped_is_undone_before_anything_else() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    for (last, runs) in [(false, "SELECT pg_sleep(10)"), (true, "SELECT pg_sleep(10)"), (true, "SELECT 1")] {
        db.execute("TRUNCATE entry").await.unwrap();
        let work = async |tx: Transaction| {
            tx.execute(INSERT, &[&1]).await?;
            let endless = async |tx: Transaction| {
                tx.execute(INSERT, &[&2]).await?;
                tx.query(runs, &[]).await?;
                let inner = async |tx: Transaction| {
                    tx.execute(INSERT, &[&3]).await?;
                    std::future::pending::<plimsoll::Result<()>>().await
                };
                tx.savepoint(inner).await
            };
            assert!(timeout(SHORT, tx.savepoint(endless)).await.is_err());
            if last { Ok(0) } else { tx.execute(INSERT, &[&4]).await }
        };
        pool.transaction(work).await.unwrap();
        let expected: &[i32] = if last { &[1] } else { &[1, 4] };
        assert_eq!(entries(&db).await, expected);
    }
}

#[tokio::test]
async fn one_that_cannot_be_undone_keeps_the_transaction_from_being_committed() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    let work = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        let fails = async |tx: Transaction| {
            tx.execute(INSERT, &[&2]).await?;
            wire.set_once(Broken::on_message(Direction::ToServer, b'Q', "ROLLBACK TO", When::Before));
            Err::<(), _>(Error::abort("no"))
        };
        let error = tx.savepoint(fails).await.unwrap_err();
        assert!(error.to_string().contains("cannot be committed"), "{error}");
        Ok(())
    };
    let error = pool.transaction(work).await.expect_err("a part of it was not undone");
    assert_ne!(error.outcome(), Outcome::Committed, "{error}");
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn two_beside_each_other_are_refused() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let work = async |tx: Transaction| {
        let first = async |tx: Transaction| {
            tx.execute(INSERT, &[&1]).await?;
            sleep(Duration::from_millis(50)).await;
            Err::<(), _>(Error::abort("no"))
        };
        let second = async |tx: Transaction| {
            sleep(Duration::from_millis(10)).await;
            tx.execute(INSERT, &[&2]).await
        };
        let beside = async {
            sleep(Duration::from_millis(20)).await;
            tx.execute(INSERT, &[&3]).await
        };
        let (one, two, outer) = tokio::join!(tx.savepoint(first), tx.savepoint(second), beside);
        assert_eq!(one.unwrap_err().fault(), Fault::Aborted);
        for error in [two.unwrap_err(), outer.unwrap_err()] {
            assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
            assert!(error.to_string().contains("a savepoint is open"), "{error}");
        }
        // Once it has ended they may go on.
        tx.savepoint(async |tx: Transaction| tx.execute(INSERT, &[&4]).await).await
    };
    pool.transaction(work).await.unwrap();
    assert_eq!(entries(&db).await, [4], "whoever was told Ok is there");
}

#[tokio::test]
async fn the_handle_of_one_that_has_ended_is_inert() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let work = async |tx: Transaction| {
        let mut kept = None;
        tx.savepoint(async |tx: Transaction| {
            tx.execute(INSERT, &[&1]).await?;
            kept = Some(tx);
            Ok(())
        })
        .await?;
        let error = kept.unwrap().execute(INSERT, &[&2]).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
        Ok(())
    };
    pool.transaction(work).await.unwrap();
    assert_eq!(entries(&db).await, [1]);
}

#[tokio::test]
async fn rows_that_were_not_the_expected_number_are_not_called_rolled_back() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let tx = pool.begin().await.unwrap();
    let error = tx.query_one("INSERT INTO entry VALUES (1), (2) RETURNING id", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::RowCount, Outcome::Unknown), "{error}");
    tx.commit().await.unwrap();
    assert_eq!(entries(&db).await, [1, 2]);
}
