//! A row that is read by a column it does not have is a mistake in the program. Its statement was answered, and what is
//! told of its work is what became of it.

use crate::ledger::{entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Result};

const RETURNING: &str = "INSERT INTO entry VALUES ($1) RETURNING 7::int AS seven";

/// The mistake itself: a column that is not there, by its name and by its place.
fn misread(row: &tokio_postgres::Row) -> [Error; 2] {
    let by_name = row.try_get::<_, i32>("nope").unwrap_err();
    let by_place = row.try_get::<_, i32>(9).unwrap_err();
    [by_name.into(), by_place.into()]
}

#[tokio::test]
async fn a_column_that_is_missing_is_named_and_the_connection_goes_on() {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let pid = async || pool.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0);
    let before = pid().await;
    let row = pool.query_one(RETURNING, &[&1]).await.unwrap();
    for (error, named) in misread(&row).iter().zip(["`nope`", "`9`"]) {
        assert_eq!(error.fault(), Fault::Usage, "{error}");
        // Nothing at the row tells whether its statement ran in a transaction that is still open.
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        assert!(!error.may_run_again(), "{error}");
        for part in [named, "its statement was answered"] {
            assert!(error.sentence().contains(part), "{part} is missing: {error}");
        }
    }
    assert_eq!(entries(&fresh).await, [1], "its statement had run");
    assert_eq!(pid().await, before);
}

#[tokio::test]
async fn in_a_closure_it_is_told_as_rolled_back() {
    let fresh = ledger().await;
    let pool = server::database(&fresh).await;
    let told: Result<i32> = pool
        .transaction(async |tx| {
            let row = tx.query_one(RETURNING, &[&1]).await?;
            Ok(row.try_get("nope")?)
        })
        .await;
    let error = told.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::RolledBack), "{error}");
    assert_eq!(error.attempts(), 1);
    assert_eq!(entries(&fresh).await, [0; 0]);
}

#[tokio::test]
async fn in_a_transaction_that_is_ended_by_hand_the_row_is_there_until_it_is_ended() {
    let fresh = ledger().await;
    let pool = server::database(&fresh).await;
    let tx = pool.begin().await.unwrap();
    let row = tx.query_one(RETURNING, &[&1]).await.unwrap();
    for error in misread(&row) {
        assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::Unknown), "{error}");
    }
    // The transaction is as good as before.
    tx.commit().await.unwrap();
    assert_eq!(entries(&fresh).await, [1]);
}
