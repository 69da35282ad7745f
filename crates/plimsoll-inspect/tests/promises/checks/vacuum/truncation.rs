//! B11: a busy table whose end vacuum would cut off under an exclusive lock is found, and keeps its pages once that is off.

use super::{database, does};
use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::State;

const QUEUE: [&str; 3] = [
    "CREATE TABLE queue (id int, body text) WITH (autovacuum_enabled = off, toast.vacuum_truncate = on)",
    "INSERT INTO queue SELECT i, repeat('x', 500) FROM generate_series(1, 5000) AS i",
    "DELETE FROM queue WHERE id > 100",
];

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let (db, mut scene) = database().await;
    does(&scene, &["SELECT pg_stat_reset()"]).await;
    does(&scene, &QUEUE).await;
    does(&scene, &["CREATE TABLE calm (id int)", "INSERT INTO calm VALUES (1)", "DELETE FROM calm"]).await;
    let database = format!("database {}", db.name());
    let skipped = scene.comes_to_find("B11", &database, State::Skipped).await;
    assert!(skipped.value.starts_with("the counters are 0 minutes old"), "{}", skipped.value);
    scene.thresholds = vec![("hot_table_counted_for", 0.0)];
    let finding = scene.comes_to_find("B11", "table public.queue", State::Info).await;
    assert!(
        finding.value.starts_with("4900 rows were deleted and 0 moved by updates, more than 10000 an hour"),
        "{}",
        finding.value
    );
    scene.is_silent("B11", "table public.calm").await;
    scene.thresholds.push(("hot_table_changes", 1e9));
    scene.is_silent("B11", "table public.queue").await;
    scene.thresholds.pop();
    scene.is_remedied("B11", &finding).await;

    // And it is true: off, vacuum leaves the empty pages, and on it cuts them off.
    let pages = "SELECT pg_relation_size('queue') / 8192";
    let count = async || scene.owner.query_one(pages, &[]).await.unwrap().get::<_, i64>(0);
    let before = count().await;
    does(&scene, &["ALTER TABLE queue SET (vacuum_truncate = off)", "VACUUM queue"]).await;
    assert_eq!(count().await, before);
    scene.is_silent("B11", "table public.queue").await;
    does(&scene, &["ALTER TABLE queue RESET (vacuum_truncate)", "VACUUM queue"]).await;
    assert!(count().await < before / 4, "{before} pages before");
}

#[tokio::test]
async fn with_a_standby_it_is_worse() {
    let primary = Cluster::start().await.unwrap();
    let _standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    let mut scene = Scene::at(&primary.url("postgres"), primary.superuser()).await;
    scene.thresholds = vec![("hot_table_counted_for", 0.0)];
    does(&scene, &QUEUE).await;
    let finding = scene.comes_to_find("B11", "table public.queue", State::Warn).await;
    assert!(
        finding.value.ends_with("; 1 standbys replay the lock, which cancels their queries"),
        "{}",
        finding.value
    );
    scene.is_remedied("B11", &finding).await;
    if primary.version() >= 18 {
        does(&scene, &["ALTER SYSTEM SET vacuum_truncate = off", "SELECT pg_reload_conf()"]).await;
        while scene.found("B11").await.findings.iter().any(|one| one.subject == "table public.queue") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
