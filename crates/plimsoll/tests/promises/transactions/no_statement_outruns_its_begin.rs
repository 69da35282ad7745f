//! A statement is never sent behind a BEGIN that may fail. The driver ends each request with a Sync of its own, so a
//! statement in the same flight as a BEGIN that is cancelled would commit by itself: here every transaction rolls
//! back, under a storm of cancels that hits a good part of the BEGINs, and not one row may stay.
//!
//! `PLIMSOLL_SOAK=1` runs sixty thousand transactions instead of six.

use crate::ledger::{self, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Phase, Transaction};
use plimsoll_embedded::test_server::TestDatabase;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const TASKS: u32 = 8;

/// Cancels whatever runs in this database, so many times, twice in a millisecond.
const STORM: &str = "
    CREATE FUNCTION storm(rounds int) RETURNS int LANGUAGE plpgsql AS $$
    DECLARE
        pids int[] := ARRAY(SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                            AND pid <> pg_backend_pid() AND backend_type = 'client backend');
    BEGIN
        FOR round IN 1..rounds LOOP
            PERFORM pg_cancel_backend(pid) FROM unnest(pids) AS pid;
            PERFORM pg_sleep(0.0005);
        END LOOP;
        RETURN rounds * cardinality(pids);
    END $$";

/// How the transactions of a storm ended.
#[derive(Debug, Default)]
struct Counts {
    /// Their BEGIN was cancelled.
    begin: AtomicU32,
    /// A statement of theirs was.
    statement: AtomicU32,
    /// They got as far as giving up by themselves.
    aborted: AtomicU32,
    /// They met something else.
    other: AtomicU32,
    /// Cancels that the storm sent.
    cancels: AtomicU32,
}

impl Counts {
    fn count(&self, error: &Error) {
        assert!(matches!(error.outcome(), Outcome::RolledBack | Outcome::NotStarted), "{error}");
        let place = match (error.fault(), error.phase()) {
            (Fault::CancelledByOther, Phase::Begin) => &self.begin,
            (Fault::CancelledByOther, _) => &self.statement,
            (Fault::Aborted, _) => &self.aborted,
            _ => &self.other,
        };
        if place.fetch_add(1, Ordering::Relaxed) == 0 {
            println!("the first of its kind: {error}");
        }
    }
}

/// A pool in a storm of cancels.
struct Scene {
    db: TestDatabase,
    pool: Database,
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
    storm: JoinHandle<()>,
}

impl Scene {
    async fn start() -> Scene {
        let db = ledger().await;
        db.execute(STORM).await.unwrap();
        let size = usize::try_from(TASKS).unwrap();
        let pool = Database::connect(server::settings_for(&db).await.pool_max(size)).await.unwrap();
        let (counts, over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let cancels = server::bare(&db.url()).await;
        let (is_over, sum) = (Arc::clone(&over), Arc::clone(&counts));
        let storm = tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let sent: i32 = cancels.query_one("SELECT storm(100)", &[]).await.unwrap().get(0);
                sum.cancels.fetch_add(u32::try_from(sent).unwrap(), Ordering::Relaxed);
            }
        });
        Scene { db, pool, counts, over, storm }
    }

    /// The storm passes; says what is in the ledger then, and what was counted.
    async fn end(self) -> (Vec<i32>, Arc<Counts>) {
        self.over.store(true, Ordering::Relaxed);
        self.storm.await.unwrap();
        self.pool.close().await;
        (entries(&self.db).await, self.counts)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn not_one_row_stays_of_transactions_that_all_roll_back() {
    let soak = std::env::var_os("PLIMSOLL_SOAK").is_some();
    let each: u32 = if soak { 7_500 } else { 750 };
    let scene = Scene::start().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, counts) = (scene.pool.clone(), Arc::clone(&scene.counts));
            tokio::spawn(async move {
                for n in 0..each {
                    let id = i32::try_from(task * each + n).unwrap();
                    let work = async |tx: Transaction| {
                        tx.execute(ledger::INSERT, &[&id]).await?;
                        Err::<(), _>(Error::abort("all of them roll back"))
                    };
                    // With limits of its own, and with the transaction's id: the longest BEGIN there is.
                    let call = pool.named("storm").resolvable().lock_timeout(Duration::from_secs(1));
                    counts.count(&call.transaction(work).await.unwrap_err());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (stand, counts) = scene.end().await;
    println!("{} transactions, {counts:?}", TASKS * each);
    assert_eq!(stand.len(), 0, "{counts:?}");
    assert!(
        counts.begin.load(Ordering::Relaxed) > 0,
        "the storm hit no BEGIN, so nothing was proven: {counts:?}"
    );
    assert!(counts.aborted.load(Ordering::Relaxed) > 0, "nothing ever came through: {counts:?}");
}

#[tokio::test]
async fn a_begin_that_failed_lets_nothing_through() {
    let db = ledger().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    // A limit that the server refuses: BEGIN and its limits are one message, and fail as one.
    let too_long = Duration::from_millis(u64::from(u32::MAX));
    for read_only in [false, true] {
        let call = || {
            let call = pool.named("limit").lock_timeout(too_long);
            if read_only { call.read_only() } else { call }
        };
        let insert = async |tx: Transaction| tx.execute(ledger::INSERT, &[&1]).await;
        let error = call().transaction(insert).await.unwrap_err();
        assert_eq!(error.sqlstate().map(|state| state.code()), Some("22023"), "{error}");
        assert!(matches!(error.outcome(), Outcome::RolledBack | Outcome::NotStarted), "{error}");

        // The error is passed over, and what comes behind it is refused here before the server would commit it.
        let stubborn = async |tx: Transaction| {
            let _passed_over = tx.query("SELECT 1", &[]).await;
            let second = tx.execute(ledger::INSERT, &[&2]).await;
            assert!(second.is_err(), "a statement without a transaction");
            Ok(())
        };
        let error = call().transaction(stubborn).await.unwrap_err();
        assert!(matches!(error.outcome(), Outcome::RolledBack | Outcome::NotStarted), "{error}");
        assert_eq!(pool.acquire().await.unwrap().wire().transaction_status, 'I');
    }
    assert!(entries(&db).await.is_empty());
}

/// What only reads travels along with its BEGIN. If that is cancelled, and it was no reading after all, it has happened:
/// then that is what the error says, and not that it was rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_declared_to_read_and_wrote_without_its_begin_is_not_called_rolled_back() {
    let scene = Scene::start().await;
    let strayed = Arc::new(AtomicU32::new(0));
    let end = Instant::now() + server::PATIENCE;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (pool, strayed) = (scene.pool.clone(), Arc::clone(&strayed));
            tokio::spawn(async move {
                let mut may_stand = Vec::new();
                // Until enough of both were hit, which a slow machine may take a while for.
                for n in 0.. {
                    let is_enough = n >= 200 && strayed.load(Ordering::Relaxed) >= 10;
                    if is_enough || Instant::now() > end {
                        break;
                    }
                    let id = i32::try_from(n * TASKS + task).unwrap();
                    let call = pool.named("report").read_only();
                    let told = match n % 2 {
                        0 => call.transaction(async |tx| tx.execute(ledger::INSERT, &[&id]).await).await,
                        _ => call.execute(ledger::INSERT, &[&id]).await,
                    };
                    let error = told.expect_err("a write that was declared to read");
                    match error.outcome() {
                        Outcome::NotStarted | Outcome::RolledBack => continue,
                        Outcome::Unknown => assert!(!error.may_run_again(), "{error}"),
                        _ => assert!(error.sentence().contains("has run by itself"), "{error}"),
                    }
                    strayed.fetch_add(1, Ordering::Relaxed);
                    may_stand.push(id);
                }
                may_stand
            })
        })
        .collect();
    let mut may_stand = Vec::new();
    for task in tasks {
        may_stand.extend(task.await.unwrap());
    }
    let (stand, _) = scene.end().await;
    println!("{} stand, {} were told that they may", stand.len(), may_stand.len());
    let lied: Vec<_> = stand.iter().filter(|id| !may_stand.contains(id)).collect();
    assert!(lied.is_empty(), "called rolled back, and there they are: {lied:?}");
    assert!(!stand.is_empty(), "no BEGIN was hit while its statement was on its way, so nothing was proven");
}
