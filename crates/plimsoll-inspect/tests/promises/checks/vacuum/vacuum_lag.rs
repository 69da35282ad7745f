//! B04: a table that autovacuum has left behind is found and vacuumed; one whose limit lets too much gather gets a lower one.

use super::{database, does};
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn dead_and_inserted_rows_fire_and_are_put_right() {
    let (_db, mut scene) = database().await;
    for table in ["dead", "fine"] {
        does(
            &scene,
            &[
                &format!("CREATE TABLE {table} (id int) WITH (autovacuum_enabled = off)"),
                &format!("INSERT INTO {table} SELECT generate_series(1, 1000)"),
                &format!("VACUUM (ANALYZE) {table}"),
            ],
        )
        .await;
    }
    // The limit is 50 + 0.2 × 1000 rows; twice that is allowed.
    does(&scene, &["DELETE FROM dead WHERE id <= 501", "DELETE FROM fine WHERE id <= 500"]).await;
    scene.is_silent("B04", "table public.dead").await;
    scene.thresholds = vec![("vacuum_lag_warn", 0.0)];
    scene.is_silent("B04", "table public.fine").await;
    let finding = scene.comes_to_find("B04", "table public.dead", State::Warn).await;
    let said = "501 dead rows, where autovacuum comes after 250; the last vacuum was 0 hours ago; autovacuum is off for it";
    assert_eq!(finding.value, said);
    scene.is_remedied("B04", &finding).await;

    scene.thresholds.clear();
    does(
        &scene,
        &[
            "CREATE TABLE loaded (id int) WITH (autovacuum_enabled = off)",
            "INSERT INTO loaded SELECT generate_series(1, 2000)",
        ],
    )
    .await;
    let finding = scene.comes_to_find("B04", "table public.loaded", State::Warn).await;
    assert!(
        finding
            .value
            .starts_with("2000 rows inserted, where autovacuum comes after 1000; no vacuum is on record"),
        "{}",
        finding.value
    );
    scene.is_remedied("B04", &finding).await;
}

#[tokio::test]
async fn a_limit_that_lets_too_much_gather_is_lowered() {
    let (_db, mut scene) = database().await;
    let make = "CREATE TABLE large (id int) WITH (autovacuum_vacuum_scale_factor = 0.3)";
    does(
        &scene,
        &[
            make,
            "INSERT INTO large SELECT generate_series(1, 10000)",
            "VACUUM (ANALYZE) large",
            "DELETE FROM large WHERE id = 1",
        ],
    )
    .await;
    scene.is_silent("B04", "table public.large").await;
    scene.thresholds = vec![("vacuum_limit_rows", 500.0)];
    let finding = scene.comes_to_find("B04", "table public.large", State::Info).await;
    assert_eq!(finding.value, "autovacuum comes after 3050 dead rows of about 10000");
    scene.is_remedied("B04", &finding).await;
}

#[tokio::test]
async fn counters_that_are_young_prove_nothing() {
    let (db, mut scene) = database().await;
    does(&scene, &["SELECT pg_stat_reset()", "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)"]).await;
    let skipped = scene.comes_to_find("B04", &format!("database {}", db.name()), State::Skipped).await;
    assert_eq!(skipped.value, "nothing is behind so far, but the counters began 0 minutes ago");
    scene.thresholds = vec![("vacuum_lag_warn", 0.0)];
    scene.finds_nothing("B04").await;
}

/// Who is behind is told with the cause, and the cause by itself.
#[tokio::test]
async fn autovacuum_that_looks_seldom_is_found_and_looks_again() {
    let cluster = plimsoll_embedded::Cluster::start().await.unwrap();
    let scene = crate::checks::scene::Scene::at(&cluster.url("postgres"), "postgres").await;
    let about = "setting autovacuum_naptime";
    scene.is_silent("B04", about).await;
    does(&scene, &["ALTER SYSTEM SET autovacuum_naptime = '1d'", "SELECT pg_reload_conf()"]).await;
    let finding = scene.comes_to_find("B04", about, State::Warn).await;
    assert!(finding.value.starts_with("it is 1d, so a table"), "{}", finding.value);
    does(
        &scene,
        &["CREATE TABLE jobs (id int)", "INSERT INTO jobs SELECT generate_series(1, 1000)", "VACUUM jobs"],
    )
    .await;
    does(&scene, &["DELETE FROM jobs"]).await;
    let mut scene = scene;
    scene.thresholds = vec![("vacuum_lag_warn", 0.0)];
    let behind = scene.comes_to_find("B04", "table public.jobs", State::Warn).await;
    assert!(behind.value.ends_with("; autovacuum_naptime is 1d"), "{}", behind.value);
    scene.is_remedied("B04", &finding).await;
}
