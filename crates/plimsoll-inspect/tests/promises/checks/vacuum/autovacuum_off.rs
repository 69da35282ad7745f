//! B03: autovacuum that is off is found, on the server and on a table, and is switched on again.

use super::{database, does};
use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn of_a_table_it_fires_and_is_put_right() {
    let (_db, scene) = database().await;
    does(&scene, &["CREATE TABLE plain (id int)", "CREATE TABLE \"Odd\" (id int, body text) WITH (autovacuum_enabled = no, toast.autovacuum_enabled = off)"]).await;
    scene.is_silent("B03", "table public.plain").await;
    let finding = scene.finds("B03", "table public.\"Odd\"", State::Warn).await;
    assert!(finding.value.starts_with("autovacuum_enabled is no"), "{}", finding.value);
    scene.is_remedied("B03", &finding).await;
    let toast = scene.finds("B03", "TOAST of table public.\"Odd\"", State::Warn).await;
    scene.is_remedied("B03", &toast).await;
    does(&scene, &["ALTER TABLE \"Odd\" SET (autovacuum_enabled = on, toast.autovacuum_enabled = on)"]).await;
    scene.finds_nothing("B03").await;
}

#[tokio::test]
async fn of_the_server_it_fires_and_is_put_right_and_back() {
    let server = Cluster::builder().setting("autovacuum", "off").start().await.unwrap();
    let scene = Scene::at(&server.url("postgres"), server.superuser()).await;
    let in_file = scene.finds("B03", "server", State::Crit).await;
    assert!(in_file.value.starts_with("autovacuum is off"), "{}", in_file.value);
    assert_eq!(in_file.source, "configuration file");
    scene.is_remedied("B03", &in_file).await;
    // Where ALTER SYSTEM said so, the way back says so again.
    does(&scene, &["ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"]).await;
    let altered = scene.comes_to_find("B03", "server", State::Crit).await;
    scene.is_remedied("B03", &altered).await;
    does(
        &scene,
        &[
            "ALTER SYSTEM SET autovacuum = on",
            "ALTER SYSTEM SET track_counts = off",
            "SELECT pg_reload_conf()",
        ],
    )
    .await;
    let uncounted = scene.comes_to_find("B03", "server", State::Crit).await;
    assert!(uncounted.value.contains(" is off: "), "{}", uncounted.value);
}
