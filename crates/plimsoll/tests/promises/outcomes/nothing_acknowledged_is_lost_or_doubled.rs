//! Whatever breaks, and in whatever order: what was acknowledged is stored once, what failed is not stored, and only
//! what was told as unknown may be either. Workers write with short deadlines while the wire is delayed, sliced, lossy,
//! cut, swallowed and left half open and the server is frozen, as a seed says; somebody cancels and ends backends at
//! random; and in the end the pool is as it was before. The breaker is quick here, so that it opens and closes again
//! many times over; and whatever happens, every call comes back by its deadline.
//!
//! One seed here; `PLIMSOLL_SEEDS=200` (`make soak`) plays as many, from `PLIMSOLL_SEED` on, every tenth of them five
//! times as long, with troubles of seconds.

use crate::ledger::end_of;
use crate::server::{self, PATIENCE, until};
use plimsoll::{BreakerState, Database, deadline};
use plimsoll_embedded::Cluster;
use plimsoll_faults::ledger::{Entry, Verdict};
use plimsoll_faults::{Process, Proxy, Script, Trouble};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const SPAN: Duration = Duration::from_secs(6);
/// How much later than its deadline a call may come back. The promise is a tenth of a second; the rest is for a
/// machine that is busy with other things.
const LATE: Duration = Duration::from_millis(500);
const WORKERS: usize = 12;
const SIZE: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_every_trouble_that_a_seed_draws() {
    let first = server::number("PLIMSOLL_SEED", 20_262);
    let seeds = server::number("PLIMSOLL_SEEDS", 1);
    let mut trips = 0;
    for seed in first..first + seeds {
        let span = if seeds >= 10 && seed % 10 == 0 { 5 * SPAN } else { SPAN };
        trips += play(seed, span).await;
    }
    assert!(trips > 0, "no seed had a trouble that the breaker saw");
}

/// Says how often the breaker opened.
async fn play(seed: u64, span: Duration) -> u64 {
    let cluster = Arc::new(Cluster::start().await.unwrap());
    // No key: what is written twice is there twice.
    cluster.execute("postgres", "CREATE TABLE entry (id bigint NOT NULL)").await.unwrap();
    let wire = Proxy::seeded((cluster.host(), cluster.port()), seed).await.unwrap();
    let url =
        cluster.url("postgres").replace(&format!(":{}/", cluster.port()), &format!(":{}/", wire.port()));
    let settings = server::settings(&url)
        .pool_max(SIZE)
        .tcp_user_timeout(Duration::from_secs(1))
        .breaker_after(Duration::from_millis(250));
    let db = Database::connect(settings.pool_timeout(Duration::from_secs(2))).await.unwrap();
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicI64::new(0));
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(work(db.clone(), worker, Arc::clone(&next), Arc::clone(&stop)));
    }
    let vandal = tokio::spawn(vandalise(Arc::clone(&cluster), seed, Arc::clone(&stop)));
    let script = Script::seeded(seed, span, Trouble::ALL);
    script.play(&wire, &server).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    wire.heal();
    server.thaw().unwrap();
    let healed = next.load(Ordering::SeqCst);
    until("the workers go on", PATIENCE, async || next.load(Ordering::SeqCst) > healed + 200).await;
    stop.store(true, Ordering::SeqCst);
    vandal.await.unwrap();
    let told = workers.join_all().await;
    let worst = told.iter().map(|(_, late)| *late).max().unwrap_or_default();
    let log: Vec<Entry> = told.into_iter().flat_map(|(log, _)| log).collect();

    assert_at_rest(&db, seed).await;
    let attempts = next.load(Ordering::SeqCst).cast_unsigned();
    let verdict = Verdict::of(attempts, &log, stored(&cluster).await);
    let breaker = db.breaker();
    println!("seed {seed}: {verdict:?}, {worst:?} late at the most, {breaker:?}\n{script}");
    assert!(worst < LATE, "seed {seed}: a call came back {worst:?} after its deadline\n{script}");
    assert!(verdict.is_true(), "seed {seed}: {verdict:?}\n{script}");
    assert!(verdict.acknowledged > 100, "seed {seed}: too little was done to show anything: {verdict:?}");
    breaker.trips
}

/// Writes entries of its own, by a transaction or a bare statement, each by a deadline that often comes too early.
///
/// Gives what it was told, and by how much the latest of its calls missed its deadline.
async fn work(
    db: Database,
    worker: usize,
    next: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
) -> (Vec<Entry>, Duration) {
    const INSERT: &str = "INSERT INTO entry VALUES ($1)";
    let mut random = fastrand::Rng::with_seed(worker as u64);
    let (mut told, mut worst) = (Vec::new(), Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let id = next.fetch_add(1, Ordering::SeqCst);
        let patience = Duration::from_millis([3, 20, 200, 1_000][random.usize(0..4)]);
        let call = db.named("entry");
        let began = Instant::now();
        let result = match random.u8(0..4) {
            0 => deadline::within(patience, call.execute(INSERT, &[&id])).await,
            1 => {
                let work = call.retrying(async |tx| tx.execute(INSERT, &[&id]).await);
                deadline::within(patience, work).await
            }
            2 => {
                let work = call.resolvable().transaction(async |tx| tx.execute(INSERT, &[&id]).await);
                deadline::within(patience, work).await
            }
            _ => {
                let work = call.transaction(async |tx| {
                    tx.execute(INSERT, &[&id]).await?;
                    tx.query_one("SELECT count(*) FROM entry WHERE id = $1", &[&id]).await.map(|_| 1)
                });
                deadline::within(patience, work).await
            }
        };
        worst = worst.max(began.elapsed().saturating_sub(patience));
        told.push(Entry { id: id.cast_unsigned(), end: end_of(&result) });
        if result.is_err() {
            // A breaker that answers in a microsecond would fill the ledger with nothing else.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    (told, worst)
}

/// Cancels or ends a backend of the program under test, again and again, past the wire.
async fn vandalise(cluster: Arc<Cluster>, seed: u64, stop: Arc<AtomicBool>) {
    let mut random = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(random.u64(20..200))).await;
        let what = if random.bool() { "pg_cancel_backend" } else { "pg_terminate_backend" };
        let sql = format!(
            "SELECT {what}(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
             AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        );
        // A frozen server hears nothing.
        let _ = tokio::time::timeout(Duration::from_secs(1), cluster.execute("postgres", &sql)).await;
    }
}

/// Nobody waits, nothing is lent, and all of the pool can be lent.
async fn assert_at_rest(db: &Database, seed: u64) {
    until("the breaker is closed", PATIENCE, async || db.breaker().state == BreakerState::Closed).await;
    until(&format!("seed {seed}: the pool is at rest"), PATIENCE, async || {
        let status = db.pool_status();
        (status.waiting, status.checked_out) == (0, 0)
    })
    .await;
    // The last backend that was ended may be on its way out of the pool still.
    until(&format!("seed {seed}: a full set can be lent"), PATIENCE, async || {
        let mut all = Vec::new();
        for _ in 0..SIZE {
            all.extend(db.acquire().await);
        }
        let mut answers = 0;
        for lease in &all {
            answers += usize::from(lease.query_one("SELECT 1", &[]).await.is_ok());
        }
        answers == SIZE
    })
    .await;
    assert!(db.pool_status().total_connections <= SIZE, "seed {seed}: {:?}", db.pool_status());
}

/// What is in the table once whoever still writes has ended: the lock waits for them.
async fn stored(cluster: &Cluster) -> Vec<u64> {
    let sql = "LOCK TABLE entry IN ACCESS EXCLUSIVE MODE; SELECT id FROM entry";
    let rows = cluster.execute("postgres", sql).await.unwrap();
    rows.iter().filter_map(|row| row.get("id")?.parse().ok()).collect()
}
