//! When every call collides, retries stay within their budget: work gets on, there are hardly more tries than calls,
//! and whoever may not try again is told so, with everything rolled back.

use crate::ledger::ledger;
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, Fault, Isolation, Outcome, Result, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const WORKERS: u64 = 32;
const EACH: u64 = 10;
const CALLS: u64 = WORKERS * EACH;
const FLOOR: u64 = 10;

/// Adds one to a row that everybody wants, from what was read before.
async fn add_one(tx: Transaction) -> Result<u64> {
    let row = tx.query_one("SELECT n FROM counter", &[]).await?;
    tx.execute("UPDATE counter SET n = $1", &[&(row.get::<_, i32>(0) + 1)]).await
}

#[derive(Default)]
struct Seen {
    runs: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
}

async fn work(db: Database, seen: Arc<Seen>) {
    for _ in 0..EACH {
        let counted = async |tx| {
            seen.runs.fetch_add(1, Ordering::Relaxed);
            add_one(tx).await
        };
        match db.named("add one").isolation(Isolation::Serializable).retrying(counted).await {
            Ok(_) => {
                seen.done.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                assert_eq!(error.fault(), Fault::SerializationFailure, "{error}");
                assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
                let tried = if error.attempts() == 1 {
                    "tried once".to_owned()
                } else {
                    format!("tried {} times", error.attempts())
                };
                assert!(error.sentence().contains(&tried), "{error}");
                if error.attempts() < 5 {
                    assert!(error.sentence().contains("the retry budget is spent: "), "{error}");
                    assert!(error.sentence().contains("retries in the last 10 s, and "), "{error}");
                    seen.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_hot_row_of_serialisable_transactions() {
    let db = ledger().await;
    db.execute("CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)").await.unwrap();
    let settings = server::settings_for(&db).await.pool_max(12);
    let pool = Database::connect(settings).await.unwrap();
    let mut events = pool.events();
    let seen = Arc::new(Seen::default());
    let began = Instant::now();
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(pool.clone(), Arc::clone(&seen)))).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let windows = began.elapsed().as_secs() / 10 + 1;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (runs, done, refused) = (count(&seen.runs), count(&seen.done), count(&seen.refused));

    assert_eq!(server::text(&db, "SELECT n FROM counter").await, done.to_string());
    assert!(done >= CALLS / 20, "work gets on: {done} of {CALLS}");
    assert!(runs * 5 <= CALLS * 6 + 5 * FLOOR * windows, "{runs} tries of {CALLS} calls");
    assert!(refused > 0, "there was no storm: {runs} tries, {done} done");

    let status = pool.retry_status();
    assert_eq!((status.calls, status.retries, status.refused), (CALLS, runs - CALLS, refused), "{status:?}");
    let told = |event: &Event| match event {
        Event::RetryRefused { work, fault, .. } => Some((work.clone(), *fault)),
        _ => None,
    };
    let (work, fault) = server::event("a refusal", &mut events, told).await;
    assert!(work.contains("add one"), "{work}");
    assert_eq!(fault, Fault::SerializationFailure);
}

#[tokio::test]
async fn the_budget_is_one_for_all_handles_and_settings_say_how_large() {
    let db = ledger().await;
    let sql = "CREATE FUNCTION collide() RETURNS void LANGUAGE plpgsql AS \
               $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END $$";
    db.execute(sql).await.unwrap();
    let collide = async |tx: Transaction| tx.query("SELECT collide()", &[]).await;
    let pool =
        Database::connect(server::settings_for(&db).await.retry_share(0.0).retry_floor(6)).await.unwrap();
    let attempts = async |pool: &Database| pool.retrying(collide).await.unwrap_err().attempts();
    assert_eq!(pool.retry_status().allowed, 6);
    assert_eq!(attempts(&pool).await, 5);
    assert_eq!(pool.retry_status().allowed, 2);
    assert_eq!(attempts(&pool.clone()).await, 3);
    let error = pool.retrying(collide).await.unwrap_err();
    assert_eq!(error.attempts(), 1);
    let said = "tried once; the retry budget is spent: 6 retries in the last 10 s, and 3 calls allow 6";
    assert!(error.sentence().ends_with(said), "{error}");
    let status = pool.retry_status();
    assert_eq!((status.calls, status.retries, status.refused, status.allowed), (3, 6, 2, 0));

    let none =
        Database::connect(server::settings_for(&db).await.retry_share(0.0).retry_floor(0)).await.unwrap();
    assert_eq!(attempts(&none).await, 1);
    let within = none.named("late").within(Duration::from_secs(5));
    assert_eq!(within.retrying(collide).await.unwrap_err().attempts(), 1);
}
