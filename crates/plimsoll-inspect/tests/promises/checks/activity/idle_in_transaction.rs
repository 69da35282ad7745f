//! A02: a transaction that stands idle is found with the locks that it holds, and its session can be ended.

use crate::checks::scene::Scene;
use crate::session::{begin, blocking_until, pid, session};
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_with_the_locks_and_is_put_right() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE \"Odd\" (id int)").await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    let idle = session(&db, None, "worker").await;
    let subject = format!("session {}", pid(&idle).await);
    idle.batch_execute("BEGIN; INSERT INTO orders VALUES (1); LOCK \"Odd\"; SELECT pg_advisory_lock(-5)")
        .await
        .unwrap();
    scene.is_silent("A02", &subject).await;
    scene.thresholds = vec![("idle_in_transaction_warn", 0.05)];
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    let held = "it holds AccessExclusiveLock on public.\"Odd\", ExclusiveLock on advisory key -5, RowExclusiveLock on public.orders";
    assert!(finding.value.ends_with(held), "{}", finding.value);
    assert!(
        finding.value.contains("is idle in transaction for 0 s, its transaction is 0 s old"),
        "{}",
        finding.value
    );
    scene.thresholds.push(("idle_in_transaction_crit", 0.05));
    let finding = scene.comes_to_find("A02", &subject, State::Crit).await;
    scene.is_remedied("A02", &finding).await;
    idle.batch_execute("COMMIT").await.expect_err("its session was ended");
    assert!(db.execute("SELECT FROM orders").await.unwrap().is_empty(), "and what it had written is gone");
}

#[tokio::test]
async fn a_failed_transaction_counts_and_one_that_works_does_not() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    scene.thresholds = vec![("idle_in_transaction_warn", 0.0)];
    let failed = session(&db, None, "worker").await;
    let subject = format!("session {}", pid(&failed).await);
    failed.batch_execute("BEGIN; SELECT 1/0").await.unwrap_err();
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    assert!(finding.value.contains("idle in transaction (aborted)"), "{}", finding.value);
    failed.batch_execute("ROLLBACK; BEGIN; SELECT 1; COMMIT").await.unwrap();
    scene.is_silent("A02", &subject).await;
}

/// Waits until so many sessions wait for a lock.
async fn until_waiting(scene: &Scene, number: usize) {
    let what = format!("{number} sessions wait");
    blocking_until(&scene.owner, &what, |seen| {
        seen.sessions.iter().filter(|session| session.wait.is_some()).count() == number
    })
    .await;
}

/// A reader's lock is harmless until somebody wants the table for himself; and what is waited for may be no lock of a table at all.
#[tokio::test]
async fn who_waits_for_it_is_told_whatever_lock_it_is() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1)").await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    scene.thresholds = vec![("idle_in_transaction_warn", 0.0)];
    let reader = session(&db, None, "reader").await;
    let subject = format!("session {}", pid(&reader).await);
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM orders").await.unwrap();
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    assert!(finding.value.ends_with("; it holds only the locks of a reader"), "{}", finding.value);

    // A migration waits for the reader, and another reader for the migration.
    let migration = begin(session(&db, None, "migration").await, "ALTER TABLE orders ADD COLUMN note text");
    until_waiting(&scene, 1).await;
    let web = begin(session(&db, None, "web").await, "SELECT * FROM orders");
    until_waiting(&scene, 2).await;
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    assert!(
        finding.value.contains(
            "; it holds AccessShareLock on public.orders; 2 sessions wait for it, the longest for "
        ),
        "{}",
        finding.value
    );
    reader.batch_execute("COMMIT").await.unwrap();
    migration.await.unwrap();
    web.await.unwrap();

    // The wait of an index for an old snapshot is one for the transaction itself.
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    let build = "CREATE INDEX CONCURRENTLY ON orders (note)";
    let building = begin(session(&db, None, "builder").await, build);
    until_waiting(&scene, 1).await;
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    assert!(
        finding.value.contains("only the locks of a reader; 1 session waits for it, the longest for "),
        "{}",
        finding.value
    );
    reader.batch_execute("COMMIT").await.unwrap();
    building.await.unwrap();

    // So is that for a row.
    reader.batch_execute("BEGIN; UPDATE orders SET id = 1").await.unwrap();
    let writer = begin(session(&db, None, "writer").await, "UPDATE orders SET id = 1");
    until_waiting(&scene, 1).await;
    let finding = scene.comes_to_find("A02", &subject, State::Warn).await;
    assert!(finding.value.contains("1 session waits for it"), "{}", finding.value);
    reader.batch_execute("COMMIT").await.unwrap();
    writer.await.unwrap();
}
