//! A COMMIT that nobody waits for any more is let finish, for as long as `commit_grace` says and however short a return
//! may be otherwise; then its connection is ended, and it is told to be unknown. Its place in the pool comes back.

use crate::ledger::{self, INSERT, entries, ledger};
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, Outcome, Settings};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_faults::{Direction, Fault as Broken};
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Each COMMIT of an entry takes so long from now on.
async fn slow_commits(db: &TestDatabase, seconds: f64) {
    let sql = format!(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION linger()"
    );
    db.execute(&sql).await.unwrap();
}

async fn pool(settings: Settings, grace: Duration) -> Database {
    let settings = settings.pool_max(1).reclaim_timeout(ms(300)).commit_grace(grace);
    Database::connect(settings.breaker(plimsoll::settings::Enforcement::Off)).await.unwrap()
}

/// Drops a transaction in its COMMIT; says what an event then tells of it, and after how long.
async fn drop_a_commit(db: &Database, before: impl FnOnce()) -> (Outcome, Duration) {
    let mut events = db.events();
    let tx = db.named("dropped").begin().await.unwrap();
    tx.execute(INSERT, &[&1]).await.unwrap();
    before();
    assert!(timeout(ms(60), tx.commit()).await.is_err(), "it was to be dropped half-way");
    let dropped = Instant::now();
    let settled = |event: &Event| match event {
        Event::CommitSettled { work, outcome } if work.contains("dropped") => Some(*outcome),
        _ => None,
    };
    (server::event("the COMMIT is settled", &mut events, settled).await, dropped.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_longer_than_a_return_may_is_told_to_be_committed() {
    let fresh = ledger().await;
    slow_commits(&fresh, 1.2).await;
    let db = pool(server::settings_for(&fresh).await, ms(10_000)).await;
    let (outcome, _) = drop_a_commit(&db, || ()).await;
    assert_eq!(outcome, Outcome::Committed);
    assert_eq!(entries(&fresh).await, [1]);
    assert_eq!(db.acquire().await.unwrap().wire().transaction_status, 'I');
    assert_eq!(db.pool_status().opened, 1, "its connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_gets_no_answer_is_told_to_be_unknown_when_the_grace_is_over() {
    let fresh = ledger().await;
    let (wire, url) = ledger::wire(&fresh).await;
    // Shorter than a return may take, and longer.
    for grace in [ms(100), ms(900)] {
        let db = pool(server::settings(&url), grace).await;
        let (outcome, after) = drop_a_commit(&db, || wire.set(Broken::blackhole(Direction::Both))).await;
        assert_eq!(outcome, Outcome::Unknown);
        assert!(after >= grace - ms(5) && after < grace + ms(400), "{after:?} with a grace of {grace:?}");
        server::until("its place is back", server::PATIENCE, async || db.pool_status().returning == 0).await;
        wire.heal();
        db.query_one("SELECT 1", &[]).await.expect("another connection takes its place");
        fresh.execute("DELETE FROM entry").await.unwrap();
    }
}

/// The end of the pool does not wait for longer than it promises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_pool_ends_it_too() {
    let fresh = ledger().await;
    slow_commits(&fresh, 20.0).await;
    let db = pool(server::settings_for(&fresh).await.close_timeout(ms(200)), ms(60_000)).await;
    let mut events = db.events();
    let tx = db.named("dropped").begin().await.unwrap();
    tx.execute(INSERT, &[&1]).await.unwrap();
    assert!(timeout(ms(60), tx.commit()).await.is_err());
    let report = db.shutdown().await;
    assert!(report.took < ms(1_500), "{report:?}");
    let settled = |event: &Event| matches!(event, Event::CommitSettled { .. }).then_some(event.clone());
    let told = server::event("the COMMIT is settled", &mut events, settled).await;
    assert!(matches!(told, Event::CommitSettled { outcome: Outcome::Unknown, .. }), "{told:?}");
}
