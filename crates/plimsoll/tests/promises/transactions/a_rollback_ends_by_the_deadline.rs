//! A rollback is a wait like any other: where the wire takes it and gives no answer, its caller is back by the deadline,
//! and the rest is done on the side.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server::{self, PATIENCE, until};
use plimsoll::{Database, Error, Fault, Outcome, Result, Transaction, deadline};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::{Direction, Fault as Broken, Proxy};
use std::time::Duration;
use tokio::time::{Instant, timeout};

const TIME: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(100);
const WAYS: [Direction; 3] = [Direction::ToServer, Direction::ToClient, Direction::Both];

struct Scene {
    db: TestDatabase,
    wire: Proxy,
    pool: Database,
}

async fn scene() -> Scene {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    // Nothing but the deadline ends a wait here, and no breaker gets in the way.
    let settings = server::settings(&url).pool_max(2).breaker(plimsoll::settings::Enforcement::Off);
    let pool = Database::connect(settings).await.unwrap();
    pool.ready().await.unwrap();
    Scene { db, wire, pool }
}

impl Scene {
    async fn is_well_again(&self) {
        self.wire.heal();
        until("the pool is well", PATIENCE, async || self.pool.query_one("SELECT 1", &[]).await.is_ok())
            .await;
        until("nothing is out", PATIENCE, async || self.pool.pool_status().checked_out == 0).await;
        assert_eq!(entries(&self.db).await, Vec::<i32>::new(), "nothing of it is stored");
    }
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let told =
        timeout(4 * TIME, work).await.unwrap_or_else(|_| panic!("{what}: it goes on after {:?}", 4 * TIME));
    let took = began.elapsed();
    assert!(took < TIME + SLACK, "{what}: it took {took:?} of {TIME:?}");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_closure_that_gave_up() {
    let scene = scene().await;
    for way in WAYS {
        let what = format!("a closure, {way:?}");
        let work = async |tx: Transaction| -> Result<()> {
            tx.execute(INSERT, &[&1]).await?;
            let gave_up = tx.query_one("SELECT 1 WHERE false", &[]).await.unwrap_err();
            assert_eq!(gave_up.fault(), Fault::RowCount, "{gave_up}");
            scene.wire.set(Broken::blackhole(way));
            Err(gave_up)
        };
        let work = deadline::within(TIME, scene.pool.transaction(work));
        let error: Error = in_time(&what, work).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
        scene.is_well_again().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_guard_that_is_rolled_back_by_hand() {
    let scene = scene().await;
    for way in WAYS {
        let work = async {
            let tx = scene.pool.begin().await.unwrap();
            tx.execute(INSERT, &[&1]).await.unwrap();
            scene.wire.set(Broken::blackhole(way));
            tx.rollback().await;
        };
        in_time(&format!("a guard, {way:?}"), deadline::within(TIME, work)).await;
        scene.is_well_again().await;
    }
}

/// A tighter deadline that is set around the rollback alone holds as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_guard_whose_rollback_has_a_deadline_of_its_own() {
    let scene = scene().await;
    let tx = scene.pool.begin().await.unwrap();
    tx.execute(INSERT, &[&1]).await.unwrap();
    scene.wire.set(Broken::blackhole(Direction::Both));
    in_time("a deadline around it", deadline::within(TIME, tx.rollback())).await;
    scene.is_well_again().await;
}
