//! O07: what waits for a restart and a version that is old are found; what cannot be seen is not called well.

use crate::checks::scene::Scene;
use crate::session::session_at;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn what_waits_for_a_restart_and_an_old_version_are_found() {
    let cluster = Cluster::start().await.unwrap();
    let mut scene = Scene::at(&cluster.url("postgres"), "postgres").await;
    // Any version is well that is at most a thousand releases behind and supported for another day.
    let ever = vec![("minor_releases_behind_warn", 1_000.0), ("end_of_life_info", -1e6)];
    scene.thresholds.clone_from(&ever);
    let supported = scene.found("O07").await.findings;
    assert!(supported.iter().all(|finding| finding.subject == "end of life" || finding.state == State::Ok));
    let number = cluster.execute("postgres", "ALTER SYSTEM SET max_connections = 77").await;
    number.unwrap();
    cluster.reload().await.unwrap();
    let waits = scene.comes_to_find("O07", "setting max_connections", State::Warn).await;
    assert!(waits.value.contains("is \"100\", and another value is configured"), "{}", waits.value);
    cluster.execute("postgres", "ALTER SYSTEM RESET max_connections").await.unwrap();
    cluster.reload().await.unwrap();
    scene.comes_to_be_silent("O07", "setting max_connections").await;

    scene.thresholds = vec![("minor_releases_behind_warn", -1_000.0), ("end_of_life_info", 1e6)];
    let behind = scene.finds("O07", "version", State::Warn).await;
    assert!(behind.value.starts_with(&format!("the server is {}.", cluster.version())), "{}", behind.value);
    let ends = scene.found("O07").await.findings;
    let ends = ends.iter().find(|finding| finding.subject == "end of life").unwrap();
    assert!(ends.state >= State::Info && ends.value.contains(" on 20"), "{ends:#?}");

    cluster.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'pw'").await.unwrap();
    scene.asker = session_at(&cluster.url("postgres"), Some("guest"), "asker").await;
    scene.thresholds = ever;
    scene.finds("O07", "settings that are hidden", State::Skipped).await;
}
