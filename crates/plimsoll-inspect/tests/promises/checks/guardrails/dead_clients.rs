//! G01: a server that does not look for dead clients is found, and the remedy is the role's.

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_app", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let mut scene = Scene::at(&db.url(), &role).await;
    let subject = format!("role {role}");
    let finding = scene.finds("G01", &subject, State::Crit).await;
    assert_eq!(finding.value, "client_connection_check_interval is 0");
    assert_eq!(finding.source, "default");
    scene.is_remedied("G01", &finding).await;
    scene
        .owner
        .batch_execute(&format!("ALTER ROLE {role} SET client_connection_check_interval = '10s'"))
        .await
        .unwrap();
    scene.finds_nothing("G01").await;
    scene.thresholds.push(("dead_client_check_warn", 5.0));
    scene.finds("G01", &subject, State::Warn).await;
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}
