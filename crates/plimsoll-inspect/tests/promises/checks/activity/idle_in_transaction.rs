//! A02: a transaction that stands idle is found with the locks that it holds, and its session can be ended.

use crate::checks::scene::Scene;
use crate::session::{pid, session};
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
