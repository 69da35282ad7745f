//! A COPY for which nobody has rows ends at once. Through `execute` and its like, which cannot give any, it is refused;
//! one that is dropped before its end costs the next borrower nothing. No backend waits for rows that never come.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use bytes::Bytes;
use futures_util::StreamExt;
use plimsoll::{Database, Error, Fault, Outcome, Result, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_embedded::{PgBouncer, PoolMode};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const FROM: &str = "COPY entry FROM STDIN";
const TO: &str = "COPY (SELECT n, repeat('x', 100) FROM generate_series(1, 3000000) AS n) TO STDOUT";
const SOON: Duration = Duration::from_millis(700);

async fn pool_of_one() -> (TestDatabase, Database) {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    (fresh, pool)
}

async fn no_backend_copies(db: &TestDatabase, what: &str) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND state <> 'idle' AND pid <> pg_backend_pid()";
    let what = format!("{what}: no backend is left in a copy");
    server::until(&what, Duration::from_secs(2), async || server::text(db, sql).await == "0").await;
}

/// Refused in no time, as something that cannot be had this way; the pool goes on, and no backend is left behind.
async fn is_refused<T>(
    what: &str,
    db: &TestDatabase,
    pool: &Database,
    work: impl Future<Output = Result<T>>,
) -> Error {
    let began = Instant::now();
    let told = timeout(Duration::from_secs(5), work).await.unwrap_or_else(|_| panic!("{what}: it hangs"));
    let Err(error) = told else { panic!("{what}: it is no success") };
    assert_eq!(error.fault(), Fault::Usage, "{what}: {error}");
    assert!(error.to_string().contains("copy_"), "{what}: it says what to do: {error}");
    assert!(began.elapsed() < SOON, "{what}: {:?}", began.elapsed());
    let began = Instant::now();
    let row =
        pool.query_one("SELECT 1", &[]).await.unwrap_or_else(|error| panic!("{what}: the next: {error}"));
    assert_eq!(row.get::<_, i32>(0), 1);
    assert!(began.elapsed() < SOON, "{what}: the next waited {:?}", began.elapsed());
    no_backend_copies(db, what).await;
    error
}

#[tokio::test]
async fn from_stdin_is_refused_by_every_way_that_has_no_rows() {
    let (fresh, pool) = pool_of_one().await;
    let told = [
        is_refused("execute", &fresh, &pool, pool.execute(FROM, &[])).await,
        is_refused("execute, prepared by now", &fresh, &pool, pool.execute(FROM, &[])).await,
        is_refused("query", &fresh, &pool, pool.query(FROM, &[])).await,
        is_refused("query_one", &fresh, &pool, pool.query_one(FROM, &[])).await,
        is_refused("named", &fresh, &pool, pool.named("a").execute(FROM, &[])).await,
        is_refused("limited", &fresh, &pool, pool.named("b").lock_timeout(SOON).execute(FROM, &[])).await,
        is_refused("resolvable", &fresh, &pool, pool.named("c").resolvable().execute(FROM, &[])).await,
        is_refused(
            "transaction",
            &fresh,
            &pool,
            pool.transaction(async |tx| {
                tx.execute(INSERT, &[&1]).await?;
                tx.execute(FROM, &[]).await
            }),
        )
        .await,
        is_refused(
            "script in a transaction",
            &fresh,
            &pool,
            pool.transaction(async |tx| {
                tx.execute(INSERT, &[&1]).await?;
                tx.batch_execute(FROM).await
            }),
        )
        .await,
        is_refused("lease", &fresh, &pool, async { pool.acquire().await?.execute(FROM, &[]).await }).await,
        is_refused("batch", &fresh, &pool, async { pool.acquire().await?.batch_execute(FROM).await }).await,
        is_refused("simple", &fresh, &pool, async { pool.acquire().await?.simple_query(FROM).await }).await,
        is_refused("prepared", &fresh, &pool, async {
            let lease = pool.acquire().await?;
            let statement = lease.prepare(FROM).await?;
            lease.execute(&statement, &[]).await
        })
        .await,
        is_refused("stream", &fresh, &pool, async {
            let lease = pool.acquire().await?;
            let mut rows = lease.query_stream(FROM, &[]).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok(())
        })
        .await,
    ];
    for error in told {
        assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    }
    // What came before it in one text may have committed.
    let script = format!("BEGIN; INSERT INTO entry (id) VALUES (5); COMMIT; {FROM}");
    let error =
        is_refused("script", &fresh, &pool, async { pool.acquire().await?.batch_execute(&script).await })
            .await;
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(entries(&fresh).await, [5]);
    let began = Instant::now();
    pool.close().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    no_backend_copies(&fresh, "after the end").await;
}

#[tokio::test]
async fn to_stdout_is_refused_too_and_stopped() {
    let (fresh, pool) = pool_of_one().await;
    for sql in [TO, "COPY entry TO STDOUT"] {
        is_refused("execute", &fresh, &pool, pool.execute(sql, &[])).await;
        is_refused("query", &fresh, &pool, pool.query(sql, &[])).await;
        is_refused("transaction", &fresh, &pool, pool.transaction(async |tx| tx.execute(sql, &[]).await))
            .await;
        is_refused("batch", &fresh, &pool, async { pool.acquire().await?.batch_execute(sql).await }).await;
        is_refused("simple", &fresh, &pool, async { pool.acquire().await?.simple_query(sql).await }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_transaction_pooler_as_well() {
    let fresh = ledger().await;
    let bouncer = PgBouncer::in_front_of(&fresh).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url(fresh.name())).pool_max(1)).await.unwrap();
    for _ in 0..2 {
        is_refused("execute", &fresh, &pool, pool.execute(FROM, &[])).await;
        is_refused("transaction", &fresh, &pool, pool.transaction(async |tx| tx.execute(FROM, &[]).await))
            .await;
        is_refused("batch", &fresh, &pool, async { pool.acquire().await?.batch_execute(FROM).await }).await;
    }
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}

/// The driver's own client may have rows for it; where it has not, its lease's end is the copy's.
#[tokio::test]
async fn through_the_drivers_client_it_ends_with_the_lease_at_the_latest() {
    let (fresh, pool) = pool_of_one().await;
    for text in [false, true] {
        let lease = pool.acquire().await.unwrap();
        let client: &plimsoll::tokio_postgres::Client = lease.as_ref();
        let told =
            if text { client.batch_execute(FROM).await } else { client.execute(FROM, &[]).await.map(drop) };
        assert!(told.is_err());
        drop(lease);
        let began = Instant::now();
        pool.query_one("SELECT 1", &[]).await.expect("the next");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        no_backend_copies(&fresh, "the client").await;
    }
}

fn lines(count: i32) -> Bytes {
    Bytes::from((0..count).map(|id| format!("{id}\n")).collect::<String>())
}

#[tokio::test]
async fn one_that_is_dropped_early_costs_the_next_borrower_nothing() {
    let (fresh, pool) = pool_of_one().await;
    let pid = pool.acquire().await.unwrap().backend_pid();
    for rows in [0, 1, 10_000, 200_000] {
        for the_lease_lives_on in [true, false] {
            let lease = pool.acquire().await.unwrap();
            let mut copy = lease.copy_in(FROM).await.unwrap();
            if rows > 0 {
                copy.send(lines(rows)).await.unwrap();
            }
            let began = Instant::now();
            drop(copy);
            if the_lease_lives_on {
                lease.query_one("SELECT 1", &[]).await.expect("the lease goes on");
            }
            drop(lease);
            pool.query_one("SELECT 1", &[]).await.expect("the next");
            let took = began.elapsed();
            assert!(took < Duration::from_millis(400), "{rows} rows: {took:?}");
        }
    }
    assert_eq!(pool.acquire().await.unwrap().backend_pid(), pid, "the connection goes on");
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
    no_backend_copies(&fresh, "dropped").await;
}

/// A copy in a transaction that is dropped early leaves the transaction failed, and its end is as quick.
#[tokio::test]
async fn one_that_is_dropped_early_in_a_transaction_too() {
    let (fresh, pool) = pool_of_one().await;
    let began = Instant::now();
    let told = pool
        .transaction(async |tx| {
            tx.copy_in(FROM, async |mut copy| {
                copy.send(lines(10)).await?;
                Ok(())
            })
            .await
        })
        .await;
    assert_eq!(told.unwrap_err().outcome(), Outcome::RolledBack);
    pool.query_one("SELECT 1", &[]).await.expect("the next");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
}

/// Its deadline comes while its caller has no rows for it.
#[tokio::test]
async fn one_whose_deadline_comes_while_it_waits_for_rows() {
    let (fresh, pool) = pool_of_one().await;
    let began = Instant::now();
    let told = deadline::within(Duration::from_millis(300), async {
        let lease = pool.acquire().await?;
        let mut copy = lease.copy_in(FROM).await?;
        copy.send(lines(10)).await?;
        // Longer than it may: time itself is the point.
        tokio::time::sleep(Duration::from_millis(400)).await;
        copy.send(lines(10)).await?;
        copy.finish().await
    })
    .await;
    assert_eq!(told.unwrap_err().fault(), Fault::DeadlinePassed);
    pool.query_one("SELECT 1", &[]).await.expect("the next");
    assert!(began.elapsed() < Duration::from_millis(400) + SOON, "{:?}", began.elapsed());
    assert_eq!(entries(&fresh).await, Vec::<i32>::new());
    no_backend_copies(&fresh, "late").await;
}
