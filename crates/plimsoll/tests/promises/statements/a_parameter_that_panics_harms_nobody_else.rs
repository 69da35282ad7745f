//! A parameter whose own code panics while it is put into bytes leaves half a message behind in the driver. Its
//! connection is ended, and nobody else is told anything but the truth: not the next borrower, not the next statement of
//! the same task.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use bytes::BytesMut;
use futures_util::FutureExt;
use plimsoll::tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use plimsoll::{Database, Outcome, Result};
use plimsoll_embedded::test_server::TestDatabase;
use std::error::Error as StdError;
use std::future::Future;
use std::panic::AssertUnwindSafe;

/// Writes some of its bytes, and then panics.
#[derive(Debug)]
struct Panics;

impl ToSql for Panics {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&[0, 0]);
        panic!("a parameter's own code");
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

async fn pool_of_one() -> (TestDatabase, Database) {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    (fresh, pool)
}

async fn panics(what: &str, work: impl Future) {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    assert!(caught.is_err(), "{what} was to panic");
}

/// The next borrower has no part in it.
async fn the_next_is_well(what: &str, pool: &Database) {
    for _ in 0..3 {
        let row = pool.query_one("SELECT 1", &[]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(row.get::<_, i32>(0), 1, "{what}");
    }
}

#[tokio::test]
async fn in_a_statement_by_itself() {
    let (_fresh, pool) = pool_of_one().await;
    for round in 0..4 {
        // Prepared, with its types known, and new.
        panics("a query", pool.query("SELECT $1::int4", &[&Panics])).await;
        the_next_is_well(&format!("round {round}"), &pool).await;
        pool.query_one("SELECT $1::int4", &[&7]).await.unwrap();
    }
    panics("declared read only", pool.named("r").read_only().query("SELECT $1::int4", &[&Panics])).await;
    the_next_is_well("declared read only", &pool).await;
    panics("resolvable", pool.named("r").resolvable().execute(INSERT, &[&Panics])).await;
    the_next_is_well("resolvable", &pool).await;
}

#[tokio::test]
async fn in_a_transaction() {
    let (fresh, pool) = pool_of_one().await;
    let work = pool.transaction(async |tx| {
        tx.execute(INSERT, &[&1]).await?;
        tx.execute(INSERT, &[&Panics]).await
    });
    panics("a transaction", work).await;
    the_next_is_well("a transaction", &pool).await;
    // The closure goes on as if nothing had been: its transaction does not.
    let told = pool
        .transaction(async |tx| {
            tx.execute(INSERT, &[&2]).await?;
            panics("inside", tx.execute(INSERT, &[&Panics])).await;
            Ok(())
        })
        .await;
    assert_eq!(told.unwrap_err().outcome(), Outcome::RolledBack);
    the_next_is_well("inside", &pool).await;
    let told =
        pool.named("first").read_only().transaction(async |tx| tx.query("SELECT $1::int4", &[&Panics]).await);
    panics("along with BEGIN", told).await;
    the_next_is_well("along with BEGIN", &pool).await;
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}

#[tokio::test]
async fn on_a_lease_that_is_used_again() {
    let (fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    let insert = lease.prepare(INSERT).await.unwrap();
    panics("on a lease", lease.query("SELECT $1::int4", &[&Panics])).await;
    // Nothing more is sent on it: half a message would go before it.
    let error = lease.execute(&insert, &[&1]).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
    drop(lease);
    the_next_is_well("a lease", &pool).await;
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}

#[tokio::test]
async fn beside_others_on_the_same_lease() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    lease.query("SELECT $1::int4", &[&1]).await.unwrap();
    let (other, panicked) = tokio::join!(
        lease.query("SELECT pg_sleep(0.1)", &[]),
        AssertUnwindSafe(lease.query("SELECT $1::int4", &[&Panics])).catch_unwind(),
    );
    assert!(panicked.is_err());
    // It was sent before, or is told that it was not answered; never anything wrong.
    if let Err(error) = other {
        assert!(error.fault().is_connectivity(), "{error}");
    }
    drop(lease);
    the_next_is_well("beside others", &pool).await;
}

#[tokio::test]
async fn in_a_stream() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    panics("a stream", lease.query_stream("SELECT $1::int4", &[&Panics])).await;
    drop(lease);
    the_next_is_well("a stream", &pool).await;
}

#[tokio::test]
async fn through_the_drivers_own_client() {
    let (_fresh, pool) = pool_of_one().await;
    for round in 0..2 {
        let pool_of_the_work = pool.clone();
        let work = tokio::spawn(async move {
            // Not a statement that the panic itself takes back.
            let statement;
            let lease = pool_of_the_work.acquire().await.unwrap();
            statement = lease.prepare("SELECT $1::int4").await.unwrap();
            let client: &plimsoll::tokio_postgres::Client = lease.as_ref();
            client.query(&statement, &[&Panics]).await.map(drop)
        });
        assert!(work.await.unwrap_err().is_panic());
        the_next_is_well(&format!("its client, round {round}"), &pool).await;
    }
}

#[tokio::test]
async fn a_copy_that_panics_between_its_rows() {
    let (fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    let client: &plimsoll::tokio_postgres::Client = lease.as_ref();
    let sink = client.copy_in("COPY entry (id) FROM STDIN BINARY").await.unwrap();
    let mut writer =
        Box::pin(plimsoll::tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink, &[Type::INT4]));
    writer.as_mut().write(&[&1]).await.unwrap();
    panics("a row", writer.as_mut().write(&[&Panics])).await;
    drop(writer);
    drop(lease);
    the_next_is_well("a copy", &pool).await;
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}

#[tokio::test]
async fn the_code_of_a_transaction_that_panics_is_rolled_back_and_its_place_comes_back() {
    let (fresh, pool) = pool_of_one().await;
    panics(
        "a closure",
        pool.transaction(async |tx| {
            tx.execute(INSERT, &[&1]).await?;
            if tx.work().to_string().is_empty() { Ok(()) } else { panic!("the closure's own code") }
        }),
    )
    .await;
    the_next_is_well("a closure", &pool).await;
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}
