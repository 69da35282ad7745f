//! R03 to R05: commits that wait for a standby that is not there, commits that a crash would lose, and a server that does not
//! write as it should, are found; the remedy makes it right, and its inverse brings it back.

use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_for_a_standby_that_is_not_there() {
    let primary = Cluster::start().await.unwrap();
    for sql in
        ["CREATE ROLE patient", "CREATE ROLE hasty", "ALTER ROLE hasty SET synchronous_commit = 'local'"]
    {
        primary.execute("postgres", sql).await.unwrap();
    }
    let mut scene = Scene::at(&primary.url("postgres"), "patient").await;
    scene.finds_nothing("R03").await;
    let wait = "ALTER SYSTEM SET synchronous_standby_names = 'standby, there'";
    primary.execute("postgres", wait).await.unwrap();
    primary.reload().await.unwrap();
    let finding = scene.comes_to_find("R03", "server", State::Crit).await;
    assert!(finding.value.contains("no standby is connected"), "{}", finding.value);
    scene.is_remedied("R03", &finding).await;
    // The commits of such a role wait for no standby, and would be lost with the server.
    scene.role = "hasty".to_owned();
    scene.finds("R03", "server", State::Info).await;
    let local = scene.finds("R04", "role hasty", State::Warn).await;
    assert_eq!(local.source, "role");
    scene.role = "patient".to_owned();
    scene.finds_nothing("R04").await;

    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    scene.comes_to_find_nothing("R03").await;
    primary
        .execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (standby, there)'")
        .await
        .unwrap();
    primary.reload().await.unwrap();
    let finding = scene.comes_to_find("R03", "server", State::Crit).await;
    assert!(finding.value.contains("1 of them are connected"), "{}", finding.value);
    // Nothing that waits may stand in the way of the end.
    primary.execute("postgres", "ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    primary.reload().await.unwrap();
    scene.comes_to_find_nothing("R03").await;
    drop(standby);
}

#[tokio::test]
async fn commits_that_a_crash_would_lose_are_found_at_each_level() {
    let cluster = Cluster::builder().setting("synchronous_commit", "off").start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE \"my App\"").await.unwrap();
    let scene = Scene::at(&cluster.url("postgres"), "my App").await;
    let whom = "ALTER ROLE \"my App\"";
    let finding = scene.finds("R04", "role my App", State::Crit).await;
    assert_eq!(finding.source, "server");
    scene.is_remedied("R04", &finding).await;
    for (level, source) in
        [(whom.to_owned(), "role"), (format!("{whom} IN DATABASE postgres"), "role in database")]
    {
        cluster.execute("postgres", &format!("{level} SET synchronous_commit = 'off'")).await.unwrap();
        let finding = scene.finds("R04", "role my App", State::Crit).await;
        assert_eq!(finding.source, source);
        scene.is_remedied("R04", &finding).await;
        cluster
            .execute("postgres", &format!("{level} SET synchronous_commit = 'remote_apply'"))
            .await
            .unwrap();
        scene.finds_nothing("R04").await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_write_as_it_should() {
    let careless = Cluster::start().await.unwrap();
    let scene = Scene::at(&careless.url("postgres"), "postgres").await;
    for name in ["fsync", "full_page_writes"] {
        let finding = scene.finds("R05", &format!("setting {name}"), State::Crit).await;
        assert_eq!(finding.source, "configuration file");
        scene.is_remedied("R05", &finding).await;
    }
    let careful = Cluster::builder().durable(true).start().await.unwrap();
    let scene = Scene::at(&careful.url("postgres"), "postgres").await;
    scene.is_silent("R05", "setting fsync").await;
    scene.is_silent("R05", "setting full_page_writes").await;
    // PostgreSQL 18 makes clusters with checksums unless told otherwise.
    if careful.version() >= 18 {
        scene.finds_nothing("R05").await;
    } else {
        let finding = scene.finds("R05", "setting data_checksums", State::Info).await;
        assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
    }
}
