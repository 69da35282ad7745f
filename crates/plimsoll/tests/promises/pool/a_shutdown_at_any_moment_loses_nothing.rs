//! A pool is shut down in the middle of its work, at moments that a seed draws: it is over within its limits, nobody is
//! told a lie, and nothing is left running. A COMMIT that is under way is let finish, also when it is slow and all that is
//! left.
//!
//! Twenty-five seeds here; `PLIMSOLL_SEEDS=200` (`make soak`) plays as many, from `PLIMSOLL_SEED` on.

use crate::ledger::{self, INSERT};
use crate::server;
use plimsoll::{Database, Fault, Phase};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::ledger::{Entry, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const SEEDS: u64 = 25;
const WORKERS: u64 = 10;
const CLOSE: Duration = Duration::from_millis(150);
/// What the limits allow, which is 5.15 s, and what a machine needs that is busy with other tests.
const LONGEST: Duration = Duration::from_millis(6_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_always_ends() {
    let fresh = ledger::ledger().await;
    let next = Arc::new(AtomicI32::new(0));
    let mut log = Vec::new();
    let (first, seeds) = (server::number("PLIMSOLL_SEED", 0), server::number("PLIMSOLL_SEEDS", SEEDS));
    for seed in first..first + seeds {
        log.extend(shut_down_in_the_middle(&fresh, seed, &next).await);
    }
    let stored = ledger::entries(&fresh).await.into_iter().map(|id| u64::try_from(id).unwrap());
    let attempts = u64::try_from(next.load(Ordering::SeqCst)).unwrap();
    let verdict = Verdict::of(attempts, &log, stored);
    println!("{verdict:?}");
    assert!(verdict.is_true(), "{verdict:?}");
    assert!(verdict.acknowledged > seeds && verdict.refused + verdict.failed > seeds, "{verdict:?}");
    let slow: i64 = server::text(&fresh, "SELECT count(*) FROM slow").await.parse().unwrap();
    assert!(slow > 0, "no COMMIT was slow");
}

async fn shut_down_in_the_middle(fresh: &TestDatabase, seed: u64, next: &Arc<AtomicI32>) -> Vec<Entry> {
    let mut lot = fastrand::Rng::with_seed(seed);
    let settings = server::settings_for(fresh).await.pool_max(4).close_timeout(CLOSE);
    let db = Database::connect(settings).await.unwrap();
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(work(db.clone(), seed * WORKERS + number, Arc::clone(next)));
    }
    // The moment is what is drawn here.
    tokio::time::sleep(Duration::from_millis(lot.u64(0..60))).await;
    let report = db.shutdown().await;
    assert!(report.took < LONGEST, "seed {seed}: {report:?}");
    let log = workers.join_all().await.into_iter().flatten().collect();
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND pid <> pg_backend_pid() AND query NOT LIKE '%pg_stat_activity%'";
    server::until(&format!("seed {seed}: nothing is left of it"), server::PATIENCE, async || {
        server::text(fresh, left).await == "0"
    })
    .await;
    log
}

/// Puts down entries until the pool is closed.
async fn work(db: Database, seed: u64, next: Arc<AtomicI32>) -> Vec<Entry> {
    let mut lot = fastrand::Rng::with_seed(seed);
    let mut log = Vec::new();
    loop {
        let id = next.fetch_add(1, Ordering::SeqCst);
        let told = match lot.u8(0..5) {
            0 => db.execute(INSERT, &[&id]).await,
            1 => db.retrying(async |tx| tx.execute(INSERT, &[&id]).await).await,
            2 => {
                // Some are in the middle of something long.
                let pause = f64::from(lot.u8(0..60)) / 100.0;
                let slowly = async |tx: plimsoll::Transaction| {
                    tx.execute(INSERT, &[&id]).await?;
                    tx.execute("SELECT pg_sleep($1)", &[&pause]).await
                };
                db.transaction(slowly).await
            }
            3 => {
                // Its COMMIT takes longer than the time to drain.
                let told = db
                    .transaction(async |tx| {
                        tx.execute("INSERT INTO slow VALUES ($1)", &[&id]).await?;
                        tx.execute(INSERT, &[&id]).await
                    })
                    .await;
                if let Err(error) = &told
                    && error.phase() == Phase::Commit
                {
                    panic!("a COMMIT is let finish: {error}");
                }
                told
            }
            _ => db.transaction(async |tx| tx.execute(INSERT, &[&id]).await).await,
        };
        log.push(Entry { id: u64::try_from(id).unwrap(), end: ledger::end_of(&told) });
        let is_over = told.is_err_and(|error| error.fault() == Fault::PoolClosed);
        if is_over {
            return log;
        }
    }
}
