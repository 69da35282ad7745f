//! R02: a slot without a consumer, one whose consumer falls behind, and one that lost its log are told apart.

use crate::checks::scene::Scene;
use crate::frozen::Frozen;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Remedy, State};

/// Fills and changes so many files of the log.
async fn write_log(cluster: &Cluster, files: usize) {
    for _ in 0..files {
        for sql in ["SELECT pg_logical_emit_message(false, 'test', 'x')", "SELECT pg_switch_wal()"] {
            cluster.execute("postgres", sql).await.unwrap();
        }
    }
    cluster.execute("postgres", "CHECKPOINT").await.unwrap();
}

#[tokio::test]
async fn a_slot_without_a_consumer_is_found_and_dropped() {
    let cluster = Cluster::start().await.unwrap();
    let mut scene = Scene::at(&cluster.url("postgres"), "postgres").await;
    scene.finds_nothing("R02").await;
    let make = "SELECT pg_create_physical_replication_slot('gone', true), \
     pg_create_physical_replication_slot('unused')";
    cluster.execute("postgres", make).await.unwrap();
    // PostgreSQL 17 tells since when, so that a consumer has a minute to come back.
    if cluster.version() >= 17 {
        scene.finds_nothing("R02").await;
    }
    scene.thresholds = vec![("inactive_slot_warn", 0.0)];
    let finding = scene.finds("R02", "replication slot gone", State::Warn).await;
    assert!(
        finding.value.contains("nothing limits that (max_slot_wal_keep_size is -1)"),
        "{}",
        finding.value
    );
    scene.finds("R02", "replication slot unused", State::Info).await;
    scene.thresholds.push(("inactive_slot_crit", 0.0));
    write_log(&cluster, 1).await;
    let finding = scene.finds("R02", "replication slot gone", State::Crit).await;
    scene.is_remedied("R02", &finding).await;
    scene.is_silent("R02", "replication slot gone").await;
}

#[tokio::test]
async fn a_slot_that_lost_its_log_is_critical() {
    let cluster = Cluster::builder()
        .setting("max_slot_wal_keep_size", "16MB")
        .setting("max_wal_size", "32MB")
        .setting("min_wal_size", "32MB")
        .start()
        .await
        .unwrap();
    let scene = Scene::at(&cluster.url("postgres"), "postgres").await;
    cluster.execute("postgres", "SELECT pg_create_physical_replication_slot('late', true)").await.unwrap();
    write_log(&cluster, 6).await;
    let finding = scene.comes_to_find("R02", "replication slot late", State::Crit).await;
    assert!(finding.value.contains("the server has given it up"), "{}", finding.value);
    scene.is_remedied("R02", &finding).await;
    scene.finds_nothing("R02").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_falls_behind_is_told_from_one_that_is_gone() {
    let sizes = |cluster: plimsoll_embedded::ClusterBuilder| {
        cluster.setting("max_wal_size", "32MB").setting("min_wal_size", "32MB")
    };
    let primary = sizes(Cluster::builder()).start().await.unwrap();
    primary.execute("postgres", "SELECT pg_create_physical_replication_slot('copy', true)").await.unwrap();
    let standby = sizes(Cluster::builder())
        .standby_of(&primary)
        .setting("primary_slot_name", "copy")
        .start()
        .await
        .unwrap();
    let scene = Scene::at(&primary.url("postgres"), "postgres").await;
    scene.comes_to_find_nothing("R02").await;
    let frozen = Frozen::freeze(&standby);
    write_log(&primary, 6).await;
    let finding = scene.comes_to_find("R02", "replication slot copy", State::Warn).await;
    assert!(finding.value.starts_with("its consumer falls behind"), "{}", finding.value);
    assert!(finding.value.ends_with("more than max_wal_size"), "{}", finding.value);
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
    drop(frozen);
    scene.comes_to_find_nothing("R02").await;
}
