//! Somebody cancels and ends the pool's backends at random. That costs those who are hit, and nobody else: the breaker
//! stays closed, a cancelled statement is not tried again as if the wire had failed, and what was told holds.

use crate::ledger::{INSERT, end_of, entries, ledger};
use crate::server;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::ledger::{Entry, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SIZE: usize = 10;
const WORKERS: usize = 16;

#[derive(Default)]
struct Met {
    cancelled: u32,
    lost: u32,
}

/// One of the backends at a time, so a tenth of them, fifty times a second.
async fn vandal(db: Arc<TestDatabase>, over: Arc<AtomicBool>) {
    let session = server::bare(&db.url()).await;
    let mut is_a_kill = false;
    while !over.load(Ordering::Relaxed) {
        let what = if is_a_kill { "pg_terminate_backend" } else { "pg_cancel_backend" };
        is_a_kill = !is_a_kill;
        let sql = format!(
            "SELECT {what}(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND application_name NOT LIKE '%(heartbeat)' ORDER BY random() LIMIT 1"
        );
        session.batch_execute(&sql).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_stays_closed_and_a_cancelled_statement_is_not_tried_again() {
    let db = Arc::new(ledger().await);
    let pool = Database::connect(server::settings_for(&db).await.pool_max(SIZE)).await.unwrap();
    let (over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
    let vandal = tokio::spawn(vandal(Arc::clone(&db), Arc::clone(&over)));
    let end = Instant::now() + server::span();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (pool, next) = (pool.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let (mut log, mut met) = (Vec::new(), Met::default());
            while Instant::now() < end {
                let id = next.fetch_add(1, Ordering::Relaxed);
                // In a retry, which must know the one from the other; and long enough to be met by a cancel.
                let told = pool
                    .retrying(async |tx| {
                        tx.execute(INSERT, &[&id]).await?;
                        tx.query_one("SELECT pg_sleep(0.005)", &[]).await.map(drop)
                    })
                    .await;
                match &told {
                    Err(error) if error.fault() == Fault::CancelledByOther => {
                        met.cancelled += 1;
                        assert!(error.sentence().contains("canceling statement"), "{error}");
                        assert!(!error.may_run_again(), "{error}");
                    }
                    Err(error) => {
                        assert!(error.fault().is_connectivity(), "{error}");
                        met.lost += 1;
                    }
                    Ok(()) => {}
                }
                log.push(Entry { id: u64::try_from(id).unwrap(), end: end_of(&told) });
            }
            (log, met)
        });
    }
    let (mut log, mut met) = (Vec::new(), Met::default());
    for (more, hit) in workers.join_all().await {
        log.extend(more);
        met.cancelled += hit.cancelled;
        met.lost += hit.lost;
    }
    over.store(true, Ordering::Relaxed);
    vandal.await.unwrap();
    let (breaker, retries) = (pool.breaker(), pool.retry_status());
    pool.close().await;
    let stored: Vec<u64> = entries(&db).await.into_iter().map(|id| u64::try_from(id).unwrap()).collect();
    let verdict = Verdict::of(log.len() as u64, &log, stored);
    println!("{verdict:?}, {} cancelled, {} lost for good, {retries:?}", met.cancelled, met.lost);
    assert!(verdict.is_true(), "{verdict:?}");
    assert!(met.cancelled > 0, "no cancel met a statement");
    assert!(retries.retries > 0, "no kill met a transaction");
    assert_eq!(breaker.trips, 0, "{breaker:?}");
}
