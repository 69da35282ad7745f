//! Where a statement runs is decided when it is sent, by the state in which the session then is: one that follows a BEGIN
//! which was given up is not swallowed by the transaction that nobody knows of, and one that follows a COMMIT which was
//! given up is not run by itself when it was meant to run inside.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use futures_util::future::BoxFuture;
use plimsoll::{Database, Fault, Outcome, PooledConnection, Transaction};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

/// Polls a future once, and drops it; says whether it was done by then, so that its caller was told.
async fn polled_once<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

/// Each way to open a transaction by hand.
const BEGINS: [&str; 4] = ["BEGIN", "START TRANSACTION", "SELECT 1; BEGIN", "COMMIT; BEGIN"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_stored() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let mut stored = Vec::new();
    for id in 0..100 {
        let lease = pool.acquire().await.unwrap();
        let begin = BEGINS[id as usize % BEGINS.len()];
        match id % 3 {
            0 => {
                let _told = polled_once(lease.batch_execute(begin)).await;
            }
            1 => drop(timeout(Duration::from_micros(id as u64 * 5), lease.batch_execute(begin)).await),
            // Dropped although it was answered: nobody was told.
            _ => {
                let mut answered = pin!(lease.batch_execute(begin));
                std::future::poll_fn(|cx| {
                    let _ = answered.as_mut().poll(cx);
                    Poll::Ready(())
                })
                .await;
                server::until("it was answered", server::PATIENCE, async || lease.wire().replies_owed == 0)
                    .await;
            }
        }
        if lease.execute(INSERT, &[&id]).await.is_ok() {
            // Where BEGIN was done in time its caller knows of it, and has to commit.
            if lease.wire().transaction_status == 'I' {
                stored.push(id);
            }
        }
    }
    assert!(stored.len() > 40, "most stand alone: {}", stored.len());
    let there = entries(&db).await;
    let lost: Vec<_> = stored.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// One way to insert a row through a lease.
type Insert = fn(&PooledConnection, i32) -> BoxFuture<'_, plimsoll::Result<()>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_of_a_lease_settles_first() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let ways: [Insert; 5] = [
        |lease, id| Box::pin(async move { lease.execute(INSERT, &[&id]).await.map(drop) }),
        |lease, id| Box::pin(async move { lease.query(INSERT, &[&id]).await.map(drop) }),
        |lease, id| {
            Box::pin(async move { lease.batch_execute(&format!("INSERT INTO entry VALUES ({id})")).await })
        },
        |lease, id| {
            Box::pin(async move {
                let sql = format!("INSERT INTO entry VALUES ({id}) RETURNING id");
                lease.query_one(&sql, &[]).await.map(drop)
            })
        },
        |lease, id| {
            Box::pin(async move {
                let mut copy = lease.copy_in("COPY entry FROM STDIN").await?;
                copy.send(bytes::Bytes::from(format!("{id}\n"))).await?;
                copy.finish().await.map(drop)
            })
        },
    ];
    for (id, way) in (0..).zip(ways) {
        let lease = pool.acquire().await.unwrap();
        if polled_once(lease.batch_execute("BEGIN")).await {
            // Whoever was told of it has a transaction to end.
            lease.batch_execute("ROLLBACK").await.unwrap();
        }
        way(&lease, id).await.unwrap();
        drop(lease);
    }
    assert_eq!(entries(&db).await, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_its_borrower_knows_of_stays_open() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let lease = pool.acquire().await.unwrap();
    lease.batch_execute("BEGIN").await.unwrap();
    lease.execute(INSERT, &[&1]).await.unwrap();
    let _told = polled_once(lease.query("SELECT pg_sleep(0)", &[])).await;
    // The one that was dropped was stopped, or was quicker.
    if lease.execute(INSERT, &[&2]).await.is_ok() {
        lease.batch_execute("COMMIT").await.unwrap();
        assert_eq!(entries(&db).await, [1, 2]);
    } else {
        drop(lease);
        assert!(entries(&db).await.is_empty());
    }
    // Begun while another statement was under way that was given up later.
    let lease = pool.acquire().await.unwrap();
    let (slow, begun) = tokio::join!(
        timeout(Duration::from_millis(30), lease.query("SELECT pg_sleep(0.2)", &[])),
        lease.batch_execute("BEGIN")
    );
    assert!(slow.is_err());
    begun.unwrap();
    let inserted = lease.execute(INSERT, &[&3]).await;
    let status = lease.wire().transaction_status;
    // The cancel of the other may have hit what came next, and then the transaction has failed; but it is there.
    assert_eq!(
        status,
        if inserted.is_ok() { 'T' } else { 'E' },
        "whoever was told of BEGIN has his transaction"
    );
    lease.batch_execute("ROLLBACK").await.unwrap();
    assert!(!entries(&db).await.contains(&3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_transaction_runs_behind_its_dropped_commit() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    for id in 0..40 {
        let tx = pool.begin().await.unwrap();
        tx.execute(INSERT, &[&id]).await.unwrap();
        let _told = polled_once(tx.batch_execute("COMMIT")).await;
        let error = tx.execute(INSERT, &[&(1000 + id)]).await.expect_err("its transaction has ended");
        assert_eq!(
            (error.fault(), error.outcome()),
            (Fault::TransactionState, Outcome::NotStarted),
            "{error}"
        );
        assert!(error.to_string().contains("leave COMMIT"), "{error}");
        let error = tx.commit().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
    assert!(entries(&db).await.iter().all(|id| *id < 1000));
    assert_eq!(entries(&db).await.len(), 40, "a COMMIT that was sent is let finish");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_on_a_lease_with_a_dropped_begin_is_a_transaction_of_its_own() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    for id in 0..20 {
        let lease = pool.acquire().await.unwrap();
        if polled_once(lease.batch_execute("BEGIN; CREATE TEMP TABLE stray (id int)")).await {
            lease.batch_execute("ROLLBACK").await.unwrap();
        }
        let work = async |tx: Transaction| tx.execute(INSERT, &[&id]).await;
        lease.transaction(work).await.unwrap();
    }
    assert_eq!(entries(&db).await, (0..20).collect::<Vec<_>>());
}

async fn statements_that_share_a_lease_behind_a_pooler_are_stored_or_not_told_ok(version: PgBouncerVersion) {
    let db = ledger().await;
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
    let slow = "INSERT INTO entry SELECT $1 FROM pg_sleep(0.05)";
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let lease = pool.acquire().await.unwrap();
        let (a, b, c, d) = (round * 10, round * 10 + 1, round * 10 + 2, round * 10 + 3);
        let patience = Duration::from_millis([5, 1_000, 20][round as usize % 3]);
        let (first, second, third) = tokio::join!(
            timeout(patience, async { lease.execute(slow, &[&a]).await }),
            async { lease.execute(INSERT, &[&b]).await },
            async { lease.batch_execute(&format!("INSERT INTO entry VALUES ({c})")).await }
        );
        let fourth = lease.execute(INSERT, &[&d]).await;
        let told = [
            (a, first.is_ok_and(|told| told.is_ok())),
            (b, second.is_ok()),
            (c, third.is_ok()),
            (d, fourth.is_ok()),
        ];
        acknowledged.extend(told.into_iter().filter_map(|(id, is_ok)| is_ok.then_some(id)));
    }
    assert!(acknowledged.len() > 24, "most are served: {acknowledged:?}");
    let there = entries(&db).await;
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
plimsoll_embedded::on_each_pgbouncer!(
    statements_that_share_a_lease_behind_a_pooler_are_stored_or_not_told_ok
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_behind_what_was_given_up_stores_everything_or_is_told() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let mut acknowledged = Vec::new();
    for id in 0..150 {
        let work = async |tx: Transaction| {
            tx.execute(INSERT, &[&id]).await?;
            match id % 3 {
                0 => {
                    let _told = polled_once(tx.query("SELECT 1", &[])).await;
                }
                1 => {
                    // Left before its end.
                    tx.query_stream("SELECT generate_series(1, 3)", &[], async |mut rows| {
                        let _first = futures_util::StreamExt::next(&mut rows).await;
                        Ok(())
                    })
                    .await?;
                }
                _ => drop(timeout(Duration::from_micros(id as u64), tx.batch_execute("SELECT 1")).await),
            }
            Ok(())
        };
        if pool.transaction(work).await.is_ok() {
            acknowledged.push(id);
        }
    }
    let there = entries(&db).await;
    assert_eq!(there, acknowledged, "what was told Ok, and nothing else");
}
