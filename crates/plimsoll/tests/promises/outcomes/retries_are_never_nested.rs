//! One layer tries again: what may run again inside work that is itself tried again runs once for each try of that
//! work, and says why.

use crate::ledger::ledger;
use crate::server;
use plimsoll::{Database, Fault, Transaction};
use plimsoll_embedded::test_server::TestDatabase;
use std::sync::atomic::{AtomicU32, Ordering};

const COLLIDE: &str = "SELECT collide()";
const SAYS_SO: &str = "tried once only, because the work around it is itself tried again";

async fn colliding() -> (TestDatabase, Database) {
    let db = ledger().await;
    let sql = "CREATE FUNCTION collide() RETURNS void LANGUAGE plpgsql AS \
               $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END $$";
    db.execute(sql).await.unwrap();
    let pool = server::database(&db).await;
    (db, pool)
}

#[tokio::test]
async fn a_transaction_inside_a_transaction_runs_as_often_as_the_outer() {
    let (_db, pool) = colliding().await;
    let (outer, inner) = (AtomicU32::new(0), AtomicU32::new(0));
    let error = pool
        .retrying(async |_| {
            outer.fetch_add(1, Ordering::Relaxed);
            let collide = async |tx: Transaction| {
                inner.fetch_add(1, Ordering::Relaxed);
                tx.query(COLLIDE, &[]).await
            };
            let error = pool.retrying(collide).await.unwrap_err();
            assert_eq!(error.attempts(), 1, "{error}");
            assert!(error.sentence().ends_with(SAYS_SO), "{error}");
            Err::<(), _>(error)
        })
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::SerializationFailure, "{error}");
    assert_eq!(error.attempts(), 5, "{error}");
    assert_eq!((outer.load(Ordering::Relaxed), inner.load(Ordering::Relaxed)), (5, 5));
    let status = pool.retry_status();
    assert_eq!((status.calls, status.retries), (1, 4), "only the outer one counts: {status:?}");
}

#[tokio::test]
async fn an_idempotent_statement_inside_a_transaction_runs_once() {
    let (_db, pool) = colliding().await;
    let outer = AtomicU32::new(0);
    pool.retrying(async |_| {
        outer.fetch_add(1, Ordering::Relaxed);
        let error = pool.named("inner").idempotent().query(COLLIDE, &[]).await.unwrap_err();
        assert!(error.sentence().ends_with(SAYS_SO), "{error}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(outer.load(Ordering::Relaxed), 1);
    assert_eq!(pool.retry_status().retries, 0);
}

#[tokio::test]
async fn what_would_not_run_again_anyway_says_nothing_of_it() {
    let (_db, pool) = colliding().await;
    pool.retrying(async |_| {
        let error = pool.retrying(async |tx| tx.query("SELECT 1 / 0", &[]).await).await.unwrap_err();
        assert!(!error.sentence().contains("tried"), "{error}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn behind_a_retry_the_next_one_tries_again() {
    let (_db, pool) = colliding().await;
    let collide = async |tx: Transaction| tx.query(COLLIDE, &[]).await;
    for _ in 0..2 {
        assert_eq!(pool.retrying(collide).await.unwrap_err().attempts(), 5);
    }
}

#[tokio::test]
async fn a_task_that_inherits_the_deadline_inherits_this_too() {
    let (_db, pool) = colliding().await;
    let inner = std::sync::Arc::new(AtomicU32::new(0));
    let error = pool
        .retrying(async |_| {
            let (pool, inner) = (pool.clone(), std::sync::Arc::clone(&inner));
            let work = async move {
                let collide = async |tx: Transaction| {
                    inner.fetch_add(1, Ordering::Relaxed);
                    tx.query(COLLIDE, &[]).await
                };
                pool.retrying(collide).await.map(drop)
            };
            tokio::spawn(plimsoll::deadline::inherit(work)).await.unwrap()
        })
        .await
        .unwrap_err();
    assert_eq!(error.attempts(), 5, "{error}");
    assert_eq!(inner.load(Ordering::Relaxed), 5);
    assert_eq!(pool.retry_status().calls, 1);
}
