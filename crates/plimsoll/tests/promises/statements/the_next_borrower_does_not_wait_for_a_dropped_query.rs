//! A query that its caller dropped is stopped on the server, for certain, and the next borrower neither waits for it
//! nor is hit by its cancel.

use crate::server;
use plimsoll::event::{Event, StopReason};
use plimsoll::{Database, Outcome, deadline};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode, test_server};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Much less than the three seconds that the query would take, with room for a busy machine.
const SOON: Duration = Duration::from_millis(1500);

async fn pool_of_one(url: &str) -> Database {
    let settings = server::settings(url).pool_max(1).pool_min(0);
    Database::connect(settings).await.expect("a pool of one")
}

async fn drop_a_query(db: &Database, sql: &str) -> Instant {
    let dropped = timeout(Duration::from_millis(60), db.query(sql, &[])).await;
    assert!(dropped.is_err(), "the query was to be dropped half-way");
    Instant::now()
}

async fn running(db: &test_server::TestDatabase, sql: &str) -> String {
    server::text(
        db,
        &format!("select count(*)::text from pg_stat_activity where state = 'active' and datname = current_database() and query like '%{sql}%' and pid <> pg_backend_pid()"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_direct_connection() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    let mut events = db.events();
    for _ in 0..5 {
        let dropped = drop_a_query(&db, "select pg_sleep(3)").await;
        let one: i32 = db.query_one("select 1", &[]).await.unwrap().get(0);
        assert_eq!(one, 1);
        assert!(dropped.elapsed() < SOON, "the next borrower waited {:?}", dropped.elapsed());
        assert_eq!(running(&fresh, "pg_sleep(3)").await, "0", "it still runs on the server");
    }
    server::event("the stop is told", &mut events, |event| match event {
        Event::Stopped { work, reason: StopReason::Dropped, .. } if work.contains("dropped_query.rs") => {
            Some(())
        }
        _ => None,
    })
    .await;
    assert_eq!(db.pool_status().opened, 1, "the connection was reclaimed, not replaced");
}

/// To parse a text takes locks on its tables, and waits for those who have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_it_was_still_being_prepared() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE changing (id int)").await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    let other = Database::connect(server::settings(&fresh.url())).await.unwrap();
    let hold = other.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE changing IN ACCESS EXCLUSIVE MODE").await.unwrap();
    for in_a_transaction in [false, true] {
        let asked = async {
            if in_a_transaction {
                let tx = db.begin().await.unwrap();
                tx.query("select id from changing where id > $1", &[&1]).await.map(drop)
            } else {
                db.query("select id from changing where id = $1", &[&1]).await.map(drop)
            }
        };
        assert!(timeout(Duration::from_millis(300), asked).await.is_err(), "it waits for the lock");
        let dropped = Instant::now();
        let one: i32 = db.query_one("select 1", &[]).await.unwrap().get(0);
        assert_eq!(one, 1);
        assert!(dropped.elapsed() < SOON, "the next borrower waited {:?}", dropped.elapsed());
        assert_eq!(running(&fresh, "from changing").await, "0", "it still waits on the server");
    }
    let late = deadline::within(Duration::from_millis(500), db.query("select max(id) from changing", &[]));
    let began = Instant::now();
    assert_eq!(late.await.unwrap_err().outcome(), Outcome::NotStarted);
    assert!(began.elapsed() < SOON, "it ended {:?} after it began, with 500 ms", began.elapsed());
    assert_eq!(running(&fresh, "from changing").await, "0", "it still waits on the server");
    hold.rollback().await;
    assert_eq!(db.pool_status().opened, 1, "the connection was reclaimed, not replaced");
}

/// On one thread, so that what was handed to the client is still there when its lease ends, and nobody has sent it.
#[tokio::test]
async fn also_where_nothing_of_it_was_sent_yet() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    for through_the_client in [false, true] {
        let lease = db.acquire().await.unwrap();
        let slow = "select pg_sleep(3)";
        let was_begun = if through_the_client {
            let client: &plimsoll::tokio_postgres::Client = lease.as_ref();
            futures_util::poll!(pin!(client.simple_query(slow))).is_pending()
        } else {
            futures_util::poll!(pin!(lease.simple_query(slow))).is_pending()
        };
        assert!(was_begun);
        drop(lease);
        let dropped = Instant::now();
        let one: i32 = db.query_one("select 1", &[]).await.unwrap().get(0);
        assert_eq!(one, 1);
        assert!(dropped.elapsed() < SOON, "the next borrower waited {:?}", dropped.elapsed());
        assert_eq!(running(&fresh, "pg_sleep(3)").await, "0", "it still runs on the server");
    }
    assert_eq!(db.pool_status().opened, 1, "the connection was reclaimed, not replaced");
}

async fn through_pgbouncer_which_survives_it(version: PgBouncerVersion) {
    let fresh = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&fresh)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let db = pool_of_one(&bouncer.url(fresh.name())).await;
    for _ in 0..5 {
        let dropped = drop_a_query(&db, "select pg_sleep(3)").await;
        let one: i32 = db.query_one("select 1", &[]).await.unwrap().get(0);
        assert_eq!(one, 1);
        assert!(dropped.elapsed() < SOON, "the next borrower waited {:?}", dropped.elapsed());
        assert_eq!(running(&fresh, "pg_sleep(3)").await, "0", "it still runs on the server");
    }
    assert!(bouncer.is_alive().await, "PgBouncer died:\n{}", bouncer.log_tail());
}

/// The late cancel: a statement is dropped at a random moment around its own end, and the next one on the same
/// connection must never be hit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_innocent_statement_is_cancelled() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    let mut stopped = 0;
    for round in 0..300u64 {
        let patience = Duration::from_micros(200 + 37 * (round % 60));
        let sleep = "select pg_sleep(0.0015)";
        if timeout(patience, db.query(sleep, &[])).await.is_err() {
            stopped += 1;
        }
        let innocent = db.query_one("select pg_sleep(0.002), 7", &[]).await;
        assert_eq!(innocent.expect("an innocent statement was hit").get::<_, i32>(1), 7);
    }
    assert!(stopped > 20, "only {stopped} of 300 were dropped half-way: the test did not test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_dropped_inside_a_lease_does_not_hit_the_next_one_there() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    let lease = db.acquire().await.unwrap();
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(timeout(Duration::from_millis(20), lease.query("select pg_sleep(3)", &[])).await.is_err());
        let answer: i32 = lease.query_one("select 5", &[]).await.expect("the next statement").get(0);
        assert_eq!(answer, 5);
        assert!(begun.elapsed() < SOON);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_carries_its_deadline_and_raw_use_is_stopped_by_it() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh.url()).await;
    let begun = Instant::now();
    let raw = deadline::within(Duration::from_millis(300), async {
        let lease = db.acquire().await.unwrap();
        // The driver's own method, which knows nothing of deadlines.
        let client: &plimsoll::tokio_postgres::Client = lease.as_ref();
        client.batch_execute("select pg_sleep(5)").await
    })
    .await;
    let error = raw.expect_err("stopped");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    db.query("select 1", &[]).await.expect("the connection is fit again");
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    through_pgbouncer_which_survives_it
);
