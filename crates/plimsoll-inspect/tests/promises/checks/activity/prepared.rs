//! A07: a prepared transaction that was forgotten is found with what it keeps locked, and ended by its name.

use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn one_that_was_forgotten_is_found_and_ended() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "5").start().await.unwrap();
    let mut scene = Scene::at(&cluster.url("postgres"), "postgres").await;
    scene.finds_nothing("A07").await;
    let prepare = "CREATE TABLE orders (id int PRIMARY KEY); BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'it''s'";
    for statement in prepare.split("; ") {
        scene.owner.batch_execute(statement).await.unwrap();
    }
    let about = "prepared transaction it's";
    scene.is_silent("A07", about).await;
    scene.thresholds = vec![("prepared_age_warn", 0.0)];
    let finding = scene.finds("A07", about, State::Warn).await;
    assert!(finding.value.starts_with("postgres prepared it 0 s ago, at 2"), "{}", finding.value);
    assert!(finding.value.contains("it holds RowExclusiveLock on public.orders; "), "{}", finding.value);
    scene.thresholds.push(("prepared_age_crit", 0.0));
    let finding = scene.finds("A07", about, State::Crit).await;

    // It can be ended in its own database alone.
    cluster.create_database("other").await.unwrap();
    let mut there = Scene::at(&cluster.url("other"), "postgres").await;
    there.thresholds = scene.thresholds.clone();
    let seen = there.finds("A07", about, State::Crit).await;
    let Some(Remedy::Advice { text }) = &seen.remedy else { panic!("{seen:#?}") };
    assert!(text.starts_with("in database postgres: ROLLBACK PREPARED 'it''s', or COMMIT"), "{text}");
    scene.is_remedied("A07", &finding).await;
    scene.finds_nothing("A07").await;
}
