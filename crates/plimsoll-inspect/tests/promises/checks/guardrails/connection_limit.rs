//! G10: a role that could take every connection is found.

use super::app::App;
use crate::session::session_at;
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::Remedy;

#[tokio::test]
async fn a_role_without_a_limit_is_told_of_and_limited() {
    let mut app = App::new().await;
    let finding = app.finds_and_remedies("G10", State::Info).await;
    assert!(finding.value.starts_with("it has no limit, and it has 0 of the 29"), "{finding:#?}");
    let role = app.scene.role.clone();
    app.run(&format!("ALTER ROLE {role} CONNECTION LIMIT 40")).await;
    app.scene.finds_nothing("G10").await;
    // A limit that leaves nothing to others is none.
    app.run(&format!("ALTER ROLE {role} CONNECTION LIMIT 290")).await;
    app.finds_and_remedies("G10", State::Warn).await;
    app.scene.thresholds.push(("role_connections_warn", 99.0));
    app.finds("G10", State::Ok).await;
    app.end().await;
}

#[tokio::test]
async fn a_role_without_a_limit_that_has_most_connections_is_found() {
    let mut app = App::new().await;
    let (url, role) = (app.db.url(), app.scene.role.clone());
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(session_at(&url, Some(&role), "app").await);
    }
    // Four are more than 1 % of some three hundred, and with 1.2 % too.
    app.scene.thresholds = vec![("role_connections_warn", 1.0), ("role_connections_crit", 2.0)];
    let finding = app.finds("G10", State::Warn).await;
    assert!(finding.value.contains("it has 4 of the"), "{finding:#?}");
    // No limit is set below what is in use.
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(text.contains("pools smaller"), "{finding:#?}");
    app.scene.thresholds = vec![("role_connections_warn", 1.0), ("role_connections_crit", 1.2)];
    app.finds("G10", State::Crit).await;
    drop(sessions);
    app.run(&format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{role}'"
    ))
    .await;
    app.end().await;
}

#[tokio::test]
async fn no_limit_holds_for_a_superuser() {
    let app = App::new().await;
    let role = app.scene.role.clone();
    app.run(&format!("ALTER ROLE {role} SUPERUSER CONNECTION LIMIT 5")).await;
    let finding = app.finds("G10", State::Info).await;
    assert!(finding.value.starts_with("no limit holds for a superuser"), "{finding:#?}");
    app.end().await;
}
