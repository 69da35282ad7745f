//! A request knows what its work took: statements, rows, time on the server, time of waiting, retries; whatever way a statement
//! ends, with the monitor on or off, and no other request's.

use crate::server::{PATIENCE, settings_for, until};
use futures_util::TryStreamExt;
use plimsoll::request_id::{self, RequestId, RequestScope, RequestTotals};
use plimsoll::{Database, deadline};
use plimsoll_embedded::test_server;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

const MS: Duration = Duration::from_millis(1);

async fn databases() -> [(Database, test_server::TestDatabase); 2] {
    let [on, off] = [test_server::database().await.unwrap(), test_server::database().await.unwrap()];
    let quiet = settings_for(&off).await.monitoring(false).slow_log_after(plimsoll::settings::Limit::Off);
    let [with, without] = [Database::connect(settings_for(&on).await), Database::connect(quiet)];
    [(with.await.unwrap(), on), (without.await.unwrap(), off)]
}

async fn took<T>(work: impl Future<Output = T>) -> RequestTotals {
    let scope = RequestScope::new(RequestId::random());
    scope.clone().run(work).await;
    scope.totals()
}

#[tokio::test]
async fn each_way_a_statement_ends_is_counted() {
    for (db, _fresh) in databases().await {
        let answered =
            took(db.named("three").query("SELECT generate_series(1, 3), pg_sleep(0.02)", &[])).await;
        assert_eq!((answered.statements, answered.rows, answered.dropped), (1, 3, 0));
        assert!(answered.sql >= 60 * MS && answered.sql < PATIENCE, "{answered:?}");
        assert_eq!(answered.last.unwrap().name(), Some("three"));

        let failed = took(db.query("SELECT 1 / 0", &[])).await;
        assert_eq!((failed.statements, failed.rows, failed.dropped), (1, 0, 0));

        let dropped = took(timeout(80 * MS, db.query("SELECT pg_sleep(60)", &[]))).await;
        assert_eq!((dropped.statements, dropped.rows, dropped.dropped), (1, 0, 1));
        assert!(dropped.sql >= 40 * MS, "{dropped:?}");

        let streamed = took(async {
            let lease = db.acquire().await.unwrap();
            let rows = pin!(lease.query_stream("SELECT generate_series(1, 500)", &[]).await.unwrap());
            rows.try_fold(0, async |count, _| Ok(count + 1)).await.unwrap()
        });
        let streamed = streamed.await;
        assert_eq!((streamed.statements, streamed.rows), (1, 500));

        let script = took(async { db.acquire().await?.batch_execute("SELECT 1; SELECT 2").await }).await;
        assert_eq!(script.statements, 1);
    }
}

#[tokio::test]
async fn a_commit_takes_its_time_and_is_no_statement() {
    let [(db, fresh), _] = databases().await;
    let slow_commits = "CREATE TABLE entry (id int); \
         CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION linger()";
    fresh.execute(slow_commits).await.unwrap();
    let insert = db.transaction(async |tx| tx.execute("INSERT INTO entry VALUES (1)", &[]).await);
    let totals = took(insert).await;
    assert_eq!((totals.statements, totals.rows), (1, 1));
    assert!(totals.sql >= 200 * MS, "{totals:?}");
}

#[tokio::test]
async fn waits_are_counted_whether_or_not_a_connection_came() {
    for (db, _fresh) in databases().await {
        let idle = took(async { db.query_one("SELECT 1", &[]).await.unwrap() }).await;
        db.resize(0, 1);
        until("one connection is left", PATIENCE, async || db.pool_status().total_connections <= 1).await;
        let lease = db.acquire().await.unwrap();
        let in_vain = took(deadline::within(80 * MS, db.query_one("SELECT 1", &[]))).await;
        assert_eq!(in_vain.statements, 0);
        assert!(in_vain.waited >= 70 * MS, "{in_vain:?}");
        let dropped = took(timeout(60 * MS, db.query_one("SELECT 1", &[]))).await;
        assert!(dropped.waited >= 50 * MS, "{dropped:?}");
        drop(lease);
        assert!(idle.waited < PATIENCE);
    }
}

#[tokio::test]
async fn retries_are_counted() {
    let [(db, _fresh), _] = databases().await;
    let tries = AtomicUsize::new(0);
    let work = db.retrying(async |tx| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => tx.batch_execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").await,
        _ => Ok(()),
    });
    assert_eq!(took(work).await.retries, 1);
}

#[tokio::test]
async fn each_request_has_its_own_and_tasks_may_share_it() {
    let [(db, _fresh), _] = databases().await;
    assert_eq!(request_id::totals(), None);
    db.query_one("SELECT 1", &[]).await.unwrap();
    let id = || RequestId::random();
    let of = |count: usize| {
        let db = db.clone();
        async move {
            for _ in 0..count {
                db.query_one("SELECT 1", &[]).await?;
            }
            Ok::<_, plimsoll::Error>(request_id::totals().unwrap().statements)
        }
    };
    let (one, two) = tokio::join!(request_id::within(id(), of(2)), request_id::within(id(), of(5)));
    assert_eq!((one.unwrap(), two.unwrap()), (2, 5));

    let scope = RequestScope::new(id());
    let spawned = scope.clone().run(async { tokio::spawn(deadline::inherit(of(3))).await.unwrap() }).await;
    assert_eq!((spawned.unwrap(), scope.totals().statements), (3, 3));
    assert_eq!(scope.enter(request_id::current), Some(scope.id().clone()));
    let foreign = scope.run(async { tokio::spawn(async { request_id::totals() }).await.unwrap() }).await;
    assert_eq!(foreign, None);
}
