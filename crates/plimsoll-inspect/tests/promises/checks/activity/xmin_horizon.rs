//! A06: what keeps vacuum from removing dead rows is found by its kind, each with a remedy of its own.

use crate::checks::scene::Scene;
use crate::session::{pid, session_at};
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Remedy, State};
use std::time::Duration;
use tokio_postgres::Client;

/// Uses up so many transaction numbers.
async fn ages(client: &Client, by: u32) {
    let one = "DO $$ BEGIN PERFORM pg_current_xact_id(); END $$";
    for _ in 0..by {
        client.batch_execute(one).await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_a_slot_and_a_prepared_transaction_are_told_apart() {
    let server = Cluster::builder()
        .setting("wal_level", "logical")
        .setting("max_prepared_transactions", "4")
        .start()
        .await
        .unwrap();
    server.create_database("shop").await.unwrap();
    let url = server.url("shop");
    let mut scene = Scene::at(&url, server.superuser()).await;
    scene.thresholds = vec![("xmin_age_warn", 20.0), ("xmin_age_crit", 1e6)];
    scene.finds_nothing("A06").await;

    let holder = session_at(&url, None, "report").await;
    let session = format!("session {}", pid(&holder).await);
    holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    let sql = "BEGIN; CREATE TABLE left_over (id int); PREPARE TRANSACTION 'it''s old'";
    server.execute("shop", sql).await.unwrap();
    let prepared = "prepared transaction it's old";
    ages(&scene.owner, 30).await;

    let finding = scene.finds("A06", &session, State::Warn).await;
    assert!(finding.value.contains("(report, user "), "{}", finding.value);
    scene.is_remedied("A06", &finding).await;
    let finding = scene.finds("A06", prepared, State::Warn).await;
    scene.is_remedied("A06", &finding).await;

    scene
        .owner
        .batch_execute("SELECT pg_create_logical_replication_slot('feed', 'test_decoding')")
        .await
        .unwrap();
    scene.finds_nothing("A06").await;
    ages(&scene.owner, 30).await;
    let finding = scene.finds("A06", "replication slot feed", State::Warn).await;
    assert!(finding.value.contains("(logical, not in use, holds the catalogs only)"), "{}", finding.value);
    scene.thresholds[1].1 = 20.0;
    let finding = scene.finds("A06", "replication slot feed", State::Crit).await;
    scene.is_remedied("A06", &finding).await;
    scene.finds_nothing("A06").await;
}

#[tokio::test]
async fn a_prepared_transaction_of_another_database_is_ended_there() {
    let server = Cluster::builder().setting("max_prepared_transactions", "4").start().await.unwrap();
    server.create_database("other").await.unwrap();
    server.execute("other", "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'far'").await.unwrap();
    let mut scene = Scene::at(&server.url("postgres"), server.superuser()).await;
    scene.thresholds = vec![("xmin_age_warn", 20.0)];
    ages(&scene.owner, 30).await;
    let finding = scene.finds("A06", "prepared transaction far", State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(text.starts_with("in database other: ROLLBACK PREPARED 'far'"), "{text}");
}

#[tokio::test]
async fn a_standby_that_reports_its_queries_is_found() {
    let primary = Cluster::start().await.unwrap();
    let standby = Cluster::builder()
        .standby_of(&primary)
        .setting("hot_standby_feedback", "on")
        .setting("wal_receiver_status_interval", "1")
        .start()
        .await
        .unwrap();
    let mut scene = Scene::at(&primary.url("postgres"), primary.superuser()).await;
    scene.thresholds = vec![("xmin_age_warn", 20.0)];
    let reader = session_at(&standby.url("postgres"), None, "reader").await;
    reader
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
        .await
        .unwrap();
    ages(&scene.owner, 60).await;
    let sender = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let sql = "SELECT pid FROM pg_stat_replication WHERE age(backend_xmin) > 20";
            if let Some(row) = scene.owner.query_opt(sql, &[]).await.unwrap() {
                return row.get::<_, i32>(0);
            }
        }
    });
    let sender = sender.await.expect("the standby reports");
    let finding = scene.finds("A06", &format!("standby at pid {sender}"), State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(text.starts_with("on the standby, end the oldest query"), "{text}");
}
