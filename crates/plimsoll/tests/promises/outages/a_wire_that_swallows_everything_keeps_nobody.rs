//! A wire that takes every byte and gives none, without a word, keeps nobody beyond its deadline: idle, in the middle of
//! a statement, in a COMMIT; one way or both. What was told holds, and the pool is well again when the wire is.

use crate::ledger::{self, INSERT, end_of, entries, ledger};
use crate::server::{self, PATIENCE, until};
use plimsoll::{Database, Outcome, Result, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::ledger::{Entry, Verdict};
use plimsoll_faults::{Direction, Fault as Broken, Proxy};
use std::time::{Duration, Instant};

const WAYS: [Direction; 3] = [Direction::ToServer, Direction::ToClient, Direction::Both];
/// What a call has, and what it may need on top on a machine that is busy with other tests.
const TIME: Duration = Duration::from_millis(400);
const SLACK: Duration = Duration::from_millis(400);

struct Scene {
    db: TestDatabase,
    wire: Proxy,
    pool: Database,
}

async fn scene() -> Scene {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let settings = server::settings(&url).pool_max(2).tcp_user_timeout(Duration::from_secs(1));
    let pool = Database::connect(settings).await.unwrap();
    pool.ready().await.unwrap();
    Scene { db, wire, pool }
}

/// Comes back in time, whatever it says.
async fn in_time<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let asked = Instant::now();
    let told = deadline::within(TIME, work).await;
    let took = asked.elapsed();
    assert!(took < TIME + SLACK, "{what}: it took {took:?} of {TIME:?}");
    told
}

impl Scene {
    async fn is_well_again(&self, what: &str) {
        self.wire.heal();
        until(&format!("{what}: the pool is well"), PATIENCE, async || {
            self.pool.query_one("SELECT 1", &[]).await.is_ok()
        })
        .await;
        until(&format!("{what}: nothing is out"), PATIENCE, async || {
            self.pool.pool_status().checked_out == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_that_leads_nowhere_any_more() {
    let scene = scene().await;
    for way in WAYS {
        let what = format!("idle, {way:?}");
        scene.wire.set(Broken::blackhole(way));
        let error = in_time(&what, scene.pool.query_one("SELECT 1", &[])).await.unwrap_err();
        assert!(matches!(error.outcome(), Outcome::NotStarted | Outcome::Unknown), "{what}: {error}");
        scene.is_well_again(&what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_a_statement_and_of_a_commit() {
    let scene = scene().await;
    let (mut log, mut next) = (Vec::new(), 0_i32);
    for way in WAYS {
        for at_commit in [false, true] {
            let what = format!("{}, {way:?}", if at_commit { "COMMIT" } else { "a statement" });
            let (id, wire) = (next, &scene.wire);
            next += 1;
            let work = async |tx: Transaction| {
                if !at_commit {
                    wire.set(Broken::blackhole(way));
                }
                let done = tx.execute(INSERT, &[&id]).await;
                if at_commit {
                    wire.set(Broken::blackhole(way));
                }
                done
            };
            let told = in_time(&what, scene.pool.transaction(work)).await;
            let outcome = told.as_ref().unwrap_err().outcome();
            match at_commit {
                true => assert_eq!(outcome, Outcome::Unknown, "{what}"),
                false => assert_eq!(outcome, Outcome::RolledBack, "{what}"),
            }
            log.push(Entry { id: u64::try_from(id).unwrap(), end: end_of(&told) });
            scene.is_well_again(&what).await;
        }
    }
    scene.pool.close().await;
    let stored: Vec<u64> =
        entries(&scene.db).await.into_iter().map(|id| u64::try_from(id).unwrap()).collect();
    let verdict = Verdict::of(u64::try_from(next).unwrap(), &log, stored);
    assert!(verdict.is_true(), "{verdict:?}");
}

/// Ten bytes a second are not silence, only slow: the answer comes, and is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_trickles_is_slow_and_right() {
    let scene = scene().await;
    let lease = scene.pool.acquire().await.unwrap();
    lease.query_one("SELECT $1::int4 + 1", &[&1]).await.unwrap();
    scene.wire.set(Broken::throttle(Direction::ToClient, 10));
    let asked = Instant::now();
    let row = lease.query_one("SELECT $1::int4 + 1", &[&41]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
    assert!(asked.elapsed() > Duration::from_secs(2), "it was slow: {:?}", asked.elapsed());
    assert_eq!(scene.pool.breaker().trips, 0, "{:?}", scene.pool.breaker());
    drop(lease);
    scene.is_well_again("after the trickle").await;
}
