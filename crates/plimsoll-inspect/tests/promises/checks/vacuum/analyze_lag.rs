//! B05: a table is found that was never analyzed, or not since much of it changed.

use super::{database, does};
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let (_db, mut scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE new (id int) WITH (autovacuum_enabled = off)",
            "CREATE TABLE small (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO new SELECT generate_series(1, 51)",
            "INSERT INTO small SELECT generate_series(1, 50)",
        ],
    )
    .await;
    let finding = scene.comes_to_find("B05", "table public.new", State::Warn).await;
    assert_eq!(
        finding.value,
        "it was never analyzed; it has 8 kB and 51 changed rows; autovacuum is off for it"
    );
    scene.is_silent("B05", "table public.small").await;
    scene.is_remedied("B05", &finding).await;

    does(&scene, &["UPDATE new SET id = 0", "UPDATE new SET id = 1"]).await;
    scene.is_silent("B05", "table public.new").await;
    scene.thresholds = vec![("analyze_lag_warn", 0.0)];
    let finding = scene.comes_to_find("B05", "table public.new", State::Warn).await;
    assert!(
        finding.value.starts_with("102 rows changed, where autovacuum analyzes after 55.1"),
        "{}",
        finding.value
    );
    scene.is_remedied("B05", &finding).await;
}

/// As after pg_upgrade up to 17: rows are there, and neither the catalog nor the counters know any.
#[tokio::test]
async fn a_table_of_which_nothing_is_known_is_found_by_its_size() {
    let (_db, mut scene) = database().await;
    let make = "CREATE TABLE upgraded (id int) WITH (autovacuum_enabled = off)";
    does(&scene, &[make, "INSERT INTO upgraded SELECT generate_series(1, 50000)", "SELECT pg_stat_reset()"])
        .await;
    let finding = scene.comes_to_find("B05", "table public.upgraded", State::Warn).await;
    assert!(
        finding.value.starts_with("it was never analyzed; it has 2 MB and 0 changed rows"),
        "{}",
        finding.value
    );
    scene.thresholds = vec![("never_analyzed_warn", 100.0)];
    scene.is_silent("B05", "table public.upgraded").await;
    scene.thresholds.clear();
    scene.is_remedied("B05", &finding).await;
}

#[tokio::test]
async fn a_partitioned_table_is_never_analyzed_by_itself() {
    let (_db, scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
            "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000)",
            "INSERT INTO parts SELECT generate_series(1, 900)",
            "ANALYZE part",
        ],
    )
    .await;
    let finding = scene.comes_to_find("B05", "table public.parts", State::Info).await;
    assert!(finding.value.contains("its partitions have about 900 rows"), "{}", finding.value);
    scene.is_remedied("B05", &finding).await;
}

/// The size is not read of a table that is locked, so nothing waits.
#[tokio::test]
async fn a_locked_table_does_not_hold_it_up() {
    let (db, scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE locked (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO locked SELECT generate_series(1, 100)",
        ],
    )
    .await;
    let holder = crate::session::session(&db, None, "migration").await;
    holder.batch_execute("BEGIN; LOCK locked").await.unwrap();
    scene.comes_to_find("B05", "table public.locked", State::Warn).await;
}

/// Autovacuum comes once a minute; of what was made just now it could not have come yet. A day later it could.
#[tokio::test]
async fn a_young_database_is_told_once_and_as_nothing_to_do() {
    let (db, mut scene) = database().await;
    does(&scene, &["SELECT pg_stat_reset()"]).await;
    for table in ["a", "b"] {
        let make = format!("CREATE TABLE {table} (id int)");
        let fill = format!("INSERT INTO {table} SELECT generate_series(1, 500)");
        does(&scene, &[&make, &fill]).await;
    }
    let about = format!("database {}", db.name());
    let skipped = scene.comes_to_find("B05", &about, State::Skipped).await;
    assert!(skipped.value.contains("past "), "{}", skipped.value);
    assert!(skipped.value.contains("goes back 0 minutes only"), "{}", skipped.value);
    scene.is_silent("B05", "table public.a").await;
    // As if the counters were older than that.
    scene.thresholds = vec![("analyze_lag_warn", 0.0)];
    scene.comes_to_find("B05", "table public.a", State::Warn).await;
    scene.is_silent("B05", &about).await;
}
