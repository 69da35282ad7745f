//! A pool belongs to the runtime on which it was opened. When that has ended, whoever calls from another is told so at
//! once; when it only is not driven by anybody, his own limits hold all the same.

use crate::server;
use plimsoll::{Database, Fault, Outcome, deadline};
use plimsoll_embedded::test_server;
use std::future::Future;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Nobody may take longer; what is promised is far less.
const LATEST: Duration = Duration::from_secs(6);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A pool of one, opened on that runtime, which nobody drives afterwards.
fn opened_on(home: &Runtime) -> (Database, test_server::TestDatabase) {
    home.block_on(async {
        let fresh = test_server::database().await.unwrap();
        let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
        db.query_one("SELECT 1", &[]).await.unwrap();
        (db, fresh)
    })
}

fn ends<T>(elsewhere: &Runtime, work: impl Future<Output = T>) -> T {
    elsewhere.block_on(async { timeout(LATEST, work).await.expect("it hangs") })
}

#[test]
fn a_call_after_its_end_is_told() {
    let (home, elsewhere) = (runtime(), runtime());
    let (db, _fresh) = opened_on(&home);
    drop(home);
    let began = Instant::now();
    let told = ends(&elsewhere, async {
        [
            db.query("SELECT 1", &[]).await.map(drop),
            db.acquire().await.map(drop),
            db.transaction(async |_| Ok(())).await,
            db.ready().await,
            db.ready_within(LATEST).await,
        ]
    });
    for error in told.map(Result::unwrap_err) {
        assert_eq!(error.fault(), Fault::PoolClosed, "{error}");
        assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
        assert!(
            error.to_string().contains("the runtime on which this Database was opened has ended"),
            "{error}"
        );
    }
    assert!(db.is_closed());
    ends(&elsewhere, db.close());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_call_that_waits_when_it_ends_is_told() {
    let (home, elsewhere) = (runtime(), runtime());
    let (db, _fresh) = opened_on(&home);
    let held = home.block_on(db.acquire()).unwrap();
    let (waits, is_waiting) = mpsc::channel();
    let waiter = std::thread::spawn({
        let db = db.clone();
        move || {
            let asked = async {
                let asked = tokio::spawn(async move { db.query("SELECT 1", &[]).await.map(drop) });
                tokio::task::yield_now().await;
                waits.send(()).unwrap();
                asked.await.unwrap()
            };
            ends(&elsewhere, asked)
        }
    });
    is_waiting.recv().unwrap();
    drop(home);
    let error = waiter.join().unwrap().unwrap_err();
    assert_eq!(error.fault(), Fault::PoolClosed, "{error}");
    drop(held);
}

#[test]
fn a_statement_under_way_when_it_ends_is_told() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let elsewhere = runtime();
    let (db, fresh) = opened_on(&home);
    let watching = home.block_on(server::bare(&fresh.url()));
    let runs = std::thread::spawn(move || {
        ends(&elsewhere, async { db.execute("SELECT pg_sleep(30)", &[]).await.unwrap_err() })
    });
    home.block_on(server::until("it runs", LATEST, async || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)' AND state = 'active'";
        server::first(&watching, sql).await.unwrap() == "1"
    }));
    home.shutdown_background();
    let error = runs.join().unwrap();
    assert_eq!(error.fault(), Fault::ConnectionLost, "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
}

#[test]
fn a_runtime_that_nobody_drives_keeps_nobody_beyond_his_limits() {
    let (home, elsewhere) = (runtime(), runtime());
    let (db, _fresh) = opened_on(&home);
    let began = Instant::now();
    // Its connection leads nowhere while nobody moves its bytes.
    let error = ends(&elsewhere, async {
        deadline::within(Duration::from_millis(400), db.query("SELECT 1", &[])).await.unwrap_err()
    });
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    // It does not come home either, so now there is none.
    let began = Instant::now();
    let error = ends(&elsewhere, async {
        db.named("elsewhere").acquire_within(Duration::from_millis(300)).acquire().await.unwrap_err()
    });
    assert_eq!(error.fault(), Fault::PoolExhausted, "{error}");
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    let error = ends(&elsewhere, async {
        deadline::within(Duration::from_millis(300), db.begin()).await.map(drop).unwrap_err()
    });
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
    // Driven again, all is well.
    home.block_on(async {
        db.query_one("SELECT 1", &[]).await.unwrap();
    });
}

#[test]
fn a_lease_that_was_taken_on_another_runtime_keeps_its_limits_too() {
    let (home, elsewhere) = (runtime(), runtime());
    let (db, _fresh) = opened_on(&home);
    let lease = home.block_on(db.acquire()).unwrap();
    let error = ends(&elsewhere, async {
        let began = Instant::now();
        let slow = lease.query("SELECT pg_sleep(30)", &[]);
        let error = deadline::within(Duration::from_millis(300), slow).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
        error
    });
    assert_eq!(error.fault(), Fault::DeadlinePassed, "{error}");
}
