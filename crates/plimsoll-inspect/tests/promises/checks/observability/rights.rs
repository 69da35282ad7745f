//! O09: a role that may not see what others do is told which checks are skipped for it, and what it needs.

use crate::checks::scene::Scene;
use crate::session::session_at;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn what_is_skipped_for_want_of_rights_is_listed() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("O09").await;
    let role = format!("{}_guest", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    scene.asker = session_at(&db.url(), Some(&role), "asker").await;
    let finding = scene.finds("O09", &format!("role {role}"), State::Info).await;
    assert!(finding.value.contains("R01") && finding.value.contains("R03"), "{}", finding.value);
    // What the list says is so.
    scene.finds("R01", "server", State::Skipped).await;
    scene.is_remedied("O09", &finding).await;
    db.execute(&format!("GRANT pg_monitor TO {role}")).await.unwrap();
    scene.finds_nothing("O09").await;
    scene.finds_nothing("R01").await;
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}
