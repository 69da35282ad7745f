//! A04: who waits for a lock is found by the session at the root, whose end ends the pile.

use super::runs;
use crate::checks::scene::Scene;
use crate::session::{begin, pid, session, session_at};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn the_root_is_named_and_its_end_ends_the_pile() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE devices (id int PRIMARY KEY); INSERT INTO devices VALUES (1), (2)")
        .await
        .unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    scene.finds_nothing("A04").await;
    let root = session(&db, None, "nightly report").await;
    let subject = format!("session {}", pid(&root).await);
    root.batch_execute("BEGIN; UPDATE devices SET id = 3 WHERE id = 1").await.unwrap();
    let middle = session(&db, None, "renew").await;
    middle.batch_execute("BEGIN; UPDATE devices SET id = 4 WHERE id = 2").await.unwrap();
    let middle = begin(middle, "DELETE FROM devices WHERE id = 1; COMMIT");
    let last = begin(session(&db, None, "renew").await, "DELETE FROM devices WHERE id = 2");
    scene.finds_nothing("A04").await;
    scene.thresholds = vec![("lock_wait_warn", 0.05)];
    scene.comes_to_find("A04", &subject, State::Warn).await;
    scene.thresholds.extend([("lock_waiters_crit", 2.0), ("lock_pile_crit", 0.05)]);
    let finding = scene.comes_to_find("A04", &subject, State::Crit).await;
    assert!(
        finding.value.starts_with(&format!("pid {} (nightly report", &subject[8..])),
        "{}",
        finding.value
    );
    assert!(finding.value.contains("blocks 2 sessions"), "{}", finding.value);
    scene.is_remedied("A04", &finding).await;
    root.batch_execute("COMMIT").await.expect_err("its session was ended");
    middle.await.unwrap();
    last.await.unwrap();
    scene.finds_nothing("A04").await;
}

#[tokio::test]
async fn a_root_that_works_is_cancelled_only() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE devices (id int)").await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    scene.thresholds = vec![("lock_wait_warn", 0.0)];
    let root = session(&db, None, "migration").await;
    let subject = format!("session {}", pid(&root).await);
    let root = runs(root, "BEGIN; LOCK devices; SELECT pg_sleep(100)");
    let waiter = loop {
        let waiter = session(&db, None, "reader").await;
        // It waits as soon as the root has its lock.
        let free = waiter.query_one("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'devices'::regclass", &[]).await.unwrap();
        if free.get::<_, i64>(0) == 1 {
            break begin(waiter, "SELECT FROM devices");
        }
    };
    let finding = scene.comes_to_find("A04", &subject, State::Warn).await;
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(run[0].contains("pg_cancel_backend"), "{run:?}");
    scene.is_remedied("A04", &finding).await;
    let (root, ended) = root.await.unwrap();
    assert_eq!(ended.unwrap_err().code().unwrap().code(), "57014");
    root.batch_execute("ROLLBACK").await.expect("its session lives");
    waiter.await.unwrap();
}

#[tokio::test]
async fn a_prepared_transaction_and_a_circle_are_told_as_such() {
    let server = Cluster::builder()
        .setting("max_prepared_transactions", "2")
        .setting("deadlock_timeout", "10min")
        .start()
        .await
        .unwrap();
    let url = server.url("postgres");
    let mut scene = Scene::at(&url, server.superuser()).await;
    scene.thresholds = vec![("lock_wait_warn", 0.0)];
    let sql = "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)";
    scene.owner.batch_execute(sql).await.unwrap();
    server.execute("postgres", "BEGIN; LOCK t; PREPARE TRANSACTION 'left over'").await.unwrap();
    let waiter = begin(session_at(&url, None, "reader").await, "SELECT FROM t");
    let finding = scene.comes_to_find("A04", "a prepared transaction", State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(text.starts_with("find its gid in pg_prepared_xacts"), "{text}");
    server.execute("postgres", "ROLLBACK PREPARED 'left over'").await.unwrap();
    waiter.await.unwrap();

    let [one, other] = [session_at(&url, None, "one").await, session_at(&url, None, "other").await];
    one.batch_execute("BEGIN; UPDATE t SET id = id WHERE id = 1").await.unwrap();
    other.batch_execute("BEGIN; UPDATE t SET id = id WHERE id = 2").await.unwrap();
    let _one = runs(one, "UPDATE t SET id = id WHERE id = 2");
    let _other = runs(other, "UPDATE t SET id = id WHERE id = 1");
    let finding = scene.comes_to_find("A04", "a circle of sessions", State::Warn).await;
    assert!(finding.value.starts_with("2 sessions wait for each other in a circle"), "{}", finding.value);
}
