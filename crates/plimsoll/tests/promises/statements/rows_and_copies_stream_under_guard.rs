//! A stream is a statement like any other: dropped before its end it is stopped on the server and its connection goes
//! on to the next; a limit stops it; and a copy stores all of its rows or none.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use plimsoll::event::{Event, StopReason};
use plimsoll::{Database, Error, Fault, Outcome, Result, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::Duration;
use tokio::time::Instant;

const MILLION: &str = "SELECT n, repeat('x', 100) FROM generate_series(1, 1000000) AS n";
const STORE: &str = "COPY entry FROM STDIN";

async fn pool_of_one(db: &TestDatabase) -> Database {
    Database::connect(server::settings_for(db).await.pool_max(1)).await.unwrap()
}

fn lines(ids: impl IntoIterator<Item = i32>) -> Bytes {
    Bytes::from(ids.into_iter().map(|id| format!("{id}\n")).collect::<String>())
}

/// Nothing runs in the database any more, within a second.
async fn at_rest(db: &TestDatabase) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity \
               WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    let second = Duration::from_secs(1);
    server::until("the server is at rest", second, async || server::text(db, sql).await == "0").await;
}

#[tokio::test]
async fn rows_come_one_by_one_and_all_of_them() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let lease = pool.acquire().await.unwrap();
    let mut rows =
        lease.query_stream("SELECT n FROM generate_series(1, $1::int) AS n", &[&10_000]).await.unwrap();
    let mut sum = 0;
    while let Some(row) = rows.next().await {
        sum += i64::from(row.unwrap().get::<_, i32>(0));
    }
    assert!(rows.next().await.is_none(), "an end stays an end");
    assert_eq!(sum, 50_005_000);
    drop(rows);
    assert_eq!(lease.wire().replies_owed, 0);
    lease.query_one("SELECT 1", &[]).await.expect("the lease goes on");
}

#[tokio::test]
async fn dropped_early_it_is_stopped_and_the_next_borrower_waits_for_none_of_it() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let mut events = pool.events();
    let lease = pool.acquire().await.unwrap();
    let pid = lease.backend_pid();
    let mut rows = lease.query_stream(MILLION, &[]).await.unwrap();
    for _ in 0..10 {
        rows.next().await.unwrap().unwrap();
    }
    drop(rows);
    let began = Instant::now();
    lease.query_one("SELECT 1", &[]).await.expect("the same lease, at once");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    at_rest(&db).await;

    let mut rows = lease.query_stream(MILLION, &[]).await.unwrap();
    rows.next().await.unwrap().unwrap();
    drop(rows);
    drop(lease);
    let began = Instant::now();
    let next = pool.acquire().await.unwrap();
    next.query_one("SELECT 1", &[]).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(next.backend_pid(), pid, "it was made clean and not thrown away");
    let stopped = |event: &Event| match event {
        Event::Stopped { reason, .. } => Some(*reason),
        _ => None,
    };
    assert_eq!(server::event("it was stopped", &mut events, stopped).await, StopReason::Dropped);
}

#[tokio::test]
async fn a_deadline_and_a_limit_stop_a_stream_whether_it_flows_or_not() {
    let db = ledger().await;
    let settings = server::settings_for(&db).await.pool_max(1);
    let settings = settings.statement_timeout(Duration::from_millis(9_000));
    let pool = Database::connect(settings).await.unwrap();
    let silent = "SELECT pg_sleep(60)";
    for sql in [silent, MILLION] {
        let began = Instant::now();
        let read = deadline::within(Duration::from_millis(400), async {
            let lease = pool.acquire().await?;
            let mut rows = lease.query_stream(sql, &[]).await?;
            while let Some(row) = rows.next().await {
                row?;
                // A reader slower than the rows: time itself is the point.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<_, Error>(())
        });
        let error = read.await.unwrap_err();
        assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
        assert!(matches!(error.outcome(), Outcome::RolledBack | Outcome::Unknown), "{error}");
        assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
        at_rest(&db).await;
        pool.query_one("SELECT 1", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_stores_all_of_its_rows() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let lease = pool.acquire().await.unwrap();
    let mut copy = lease.copy_in(STORE).await.unwrap();
    for chunk in 0..10 {
        copy.send(lines(chunk * 1_000..(chunk + 1) * 1_000)).await.unwrap();
    }
    assert_eq!(copy.finish().await.unwrap(), 10_000);
    lease.query_one("SELECT 1", &[]).await.unwrap();
    drop(lease);
    assert_eq!(entries(&db).await.len(), 10_000);
    assert_eq!(pool.acquire().await.unwrap().wire().transaction_status, 'I');
}

#[tokio::test]
async fn a_copy_that_was_dropped_or_given_bad_rows_stores_nothing() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let lease = pool.acquire().await.unwrap();
    let pid = lease.backend_pid();
    let mut copy = lease.copy_in(STORE).await.unwrap();
    copy.send(lines(0..1_000)).await.unwrap();
    drop(copy);
    lease.query_one("SELECT 1", &[]).await.expect("the same lease goes on");

    let mut copy = lease.copy_in(STORE).await.unwrap();
    copy.send(lines(0..1_000)).await.unwrap();
    copy.send(Bytes::from_static(b"no number\n")).await.unwrap();
    let error = copy.finish().await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Data, Outcome::RolledBack), "{error}");
    assert_eq!(error.sqlstate().unwrap().code(), "22P02");
    lease.query_one("SELECT 1", &[]).await.expect("the same lease goes on");

    // Bad rows first and many behind them: the error arrives while there is still something to send.
    {
        let mut copy = lease.copy_in(STORE).await.unwrap();
        let mut failed = copy.send(Bytes::from_static(b"no number\n")).await;
        for _ in 0..2_000 {
            if failed.is_err() {
                break;
            }
            failed = copy.send(lines(0..1_000)).await;
        }
        let error = match failed {
            Err(error) => error,
            Ok(()) => copy.finish().await.unwrap_err(),
        };
        assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    }

    let mut copy = lease.copy_in(STORE).await.unwrap();
    copy.send(lines(0..1_000)).await.unwrap();
    drop(copy);
    drop(lease);
    let next = pool.acquire().await.unwrap();
    next.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(next.backend_pid(), pid, "it was made clean each time and not thrown away");
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_copy_that_is_refused_at_its_start_says_why_and_the_pool_goes_on() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    for _ in 0..5 {
        let lease = pool.acquire().await.unwrap();
        let error = lease.copy_in::<Bytes>("COPY nowhere FROM STDIN").await.err().unwrap();
        assert_eq!((error.fault(), error.outcome()), (Fault::BadStatement, Outcome::RolledBack), "{error}");
        let error = lease.query("SELECT 1", &[]).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::ConnectionLost, Outcome::NotStarted), "{error}");
        drop(lease);
        assert_eq!(pool.query_one("SELECT 7", &[]).await.unwrap().get::<_, i32>(0), 7);

        let inside = async |tx: Transaction| {
            tx.execute(INSERT, &[&1]).await?;
            tx.copy_in("COPY nowhere FROM STDIN", async |copy: plimsoll::CopyIn<'_, Bytes>| {
                copy.finish().await
            })
            .await
        };
        let error = pool.transaction(inside).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::BadStatement, Outcome::RolledBack), "{error}");
        assert!(entries(&db).await.is_empty());
    }
}

#[tokio::test]
async fn a_copy_that_is_not_finished_by_its_deadline_stores_nothing() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let began = Instant::now();
    let write = deadline::within(Duration::from_millis(300), async {
        let lease = pool.acquire().await?;
        let mut copy = lease.copy_in(STORE).await?;
        let mut id = 0;
        loop {
            copy.send(lines([id])).await?;
            id += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        #[expect(unreachable_code, reason = "it tells the type")]
        Ok::<_, Error>(())
    });
    let error = write.await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::RolledBack), "{error}");
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    at_rest(&db).await;
    pool.query_one("SELECT 1", &[]).await.unwrap();
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn a_copy_out_gives_the_bytes_and_is_stopped_when_it_is_dropped() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let lease = pool.acquire().await.unwrap();
    let copy = lease.copy_out("COPY (SELECT n FROM generate_series(1, 1000) AS n) TO STDOUT").await.unwrap();
    let bytes: Vec<Bytes> = copy.try_collect().await.unwrap();
    assert_eq!(bytes.concat().iter().filter(|&&byte| byte == b'\n').count(), 1_000);

    let mut copy = lease.copy_out(&format!("COPY ({MILLION}) TO STDOUT")).await.unwrap();
    copy.next().await.unwrap().unwrap();
    drop(copy);
    let began = Instant::now();
    lease.query_one("SELECT 1", &[]).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    at_rest(&db).await;
}

async fn streams_inside(pool: &Database) -> Result<(i64, usize)> {
    pool.transaction(async |tx: Transaction| {
        let rows = tx
            .copy_in(STORE, async |mut copy| {
                copy.send(lines(1..=100)).await?;
                copy.finish().await
            })
            .await?;
        assert_eq!(rows, 100);
        let bytes =
            tx.copy_out("COPY entry TO STDOUT", async |copy| copy.try_collect::<Vec<Bytes>>().await).await?;
        let sum = tx
            .query_stream("SELECT id FROM entry", &[], async |mut rows| {
                let mut sum = 0;
                while let Some(row) = rows.next().await {
                    sum += i64::from(row?.get::<_, i32>(0));
                }
                Ok(sum)
            })
            .await?;
        Ok((sum, bytes.concat().iter().filter(|&&byte| byte == b'\n').count()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_transaction_they_are_part_of_it() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let theirs = pool.clone();
    let found = tokio::spawn(async move { streams_inside(&theirs).await }).await.unwrap().unwrap();
    assert_eq!(found, (5_050, 100));
    assert_eq!(entries(&db).await.len(), 100);

    db.execute("TRUNCATE entry").await.unwrap();
    let gives_up = async |tx: Transaction| {
        tx.copy_in(STORE, async |mut copy| {
            copy.send(lines(1..=100)).await?;
            copy.finish().await
        })
        .await?;
        Err::<(), _>(Error::abort("after all"))
    };
    assert_eq!(pool.transaction(gives_up).await.unwrap_err().fault(), Fault::Aborted);
    let leaves_early = async |tx: Transaction| {
        tx.execute(INSERT, &[&1]).await?;
        tx.query_stream(MILLION, &[], async |mut rows| rows.next().await.unwrap().map(drop)).await?;
        tx.execute(INSERT, &[&2]).await
    };
    // The stream that was left early has failed the transaction on the server, and that is told.
    let error = pool.transaction(leaves_early).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::RolledBack), "{error}");
    assert!(entries(&db).await.is_empty());
}

async fn behind_a_transaction_pooler_they_need_a_transaction_and_work_in_one(version: PgBouncerVersion) {
    let db = ledger().await;
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let settings =
        server::settings(&bouncer.url(db.name())).pooler(plimsoll::settings::PoolerMode::Transaction);
    let pool = Database::connect(settings).await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let refused = [
        lease.query_stream("SELECT 1", &[]).await.err(),
        lease.copy_in::<Bytes>(STORE).await.err(),
        lease.copy_out("COPY entry TO STDOUT").await.err(),
    ];
    for error in refused {
        let error = error.expect("alone it is refused");
        assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
    }
    drop(lease);
    for _ in 0..3 {
        db.execute("TRUNCATE entry").await.unwrap();
        assert_eq!(streams_inside(&pool).await.unwrap(), (5_050, 100));
    }
    let early = async |tx: Transaction| {
        tx.query_stream(MILLION, &[], async |mut rows| rows.next().await.unwrap().map(drop)).await
    };
    let _either = pool.transaction(early).await;
    at_rest(&db).await;
    assert_eq!(streams_inside(&pool).await.unwrap_err().fault(), Fault::Constraint);
}

#[tokio::test]
async fn a_stream_through_the_sink_trait_is_bounded_and_closed_alike() {
    let db = ledger().await;
    let pool = pool_of_one(&db).await;
    let lease = pool.acquire().await.unwrap();
    let mut copy = lease.copy_in(STORE).await.unwrap();
    let mut source = futures_util::stream::iter((0..10).map(|n| Ok(lines([n]))));
    SinkExt::send_all(&mut copy, &mut source).await.unwrap();
    SinkExt::close(&mut copy).await.unwrap();
    drop(copy);
    drop(lease);
    assert_eq!(entries(&db).await.len(), 10);
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_transaction_pooler_they_need_a_transaction_and_work_in_one);
