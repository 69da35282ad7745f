//! G07: a limit that only the client's session has is found, and so is a session that differs from its role.

use super::app::App;
use crate::session::session_at;
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::Remedy;

impl App {
    /// The application itself asks, by this URL.
    async fn asks_by(&mut self, url: &str) {
        self.scene.asker = session_at(url, Some(&self.scene.role), "app").await;
    }

    fn limit(&self, name: &str) -> String {
        format!("{name} of role {}", self.scene.role)
    }
}

#[tokio::test]
async fn the_session_of_another_role_tells_nothing() {
    let app = App::new().await;
    let finding = app.finds("G07", State::Skipped).await;
    assert!(finding.value.contains("Connect by the application's own URL"), "{finding:#?}");
    app.end().await;
}

#[tokio::test]
async fn a_limit_that_only_the_client_sent_is_found_and_becomes_the_roles() {
    let mut app = App::new().await;
    let url = app.db.url();
    for name in ["statement_timeout", "idle_in_transaction_session_timeout"] {
        app.asks_by(&format!("{url}?options=-c%20{name}%3D90s")).await;
        let finding = app.scene.finds("G07", &app.limit(name), State::Crit).await;
        assert!(finding.value.starts_with(&format!("{name} is 90s by what its client sent")), "{finding:#?}");
        app.scene.is_remedied("G07", &finding).await;
    }
    app.end().await;
}

#[tokio::test]
async fn a_session_with_the_limits_of_its_role_is_well() {
    let mut app = App::new().await;
    for setting in ["statement_timeout = '30s'", "lock_timeout = '5s'", "idle_session_timeout = '1h'"] {
        app.set(setting).await;
    }
    app.asks_by(&app.db.url()).await;
    app.scene.finds_nothing("G07").await;
    app.end().await;
}

#[tokio::test]
async fn a_client_that_asks_for_less_is_told_of_and_one_that_asks_for_more_is_found() {
    let mut app = App::new().await;
    app.set("statement_timeout = '30s'").await;
    let url = app.db.url();
    let name = app.limit("statement_timeout");
    app.asks_by(&format!("{url}?options=-c%20statement_timeout%3D10s")).await;
    app.scene.finds("G07", &name, State::Info).await;
    for value in ["0", "60s"] {
        app.asks_by(&format!("{url}?options=-c%20statement_timeout%3D{value}")).await;
        app.scene.finds("G07", &name, State::Crit).await;
    }
    app.end().await;
}

/// Through a pooler that hands sessions on: what one client SET is met by the next one, and what was set for the role is not met by
/// sessions that began before.
async fn a_pooler_that_mixes_sessions_is_found(version: PgBouncerVersion) {
    let mut app = App::new().await;
    let role = app.scene.role.clone();
    let bouncer = PgBouncer::in_front_of(&app.db)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1")
        .user(&role, "pw")
        .start()
        .await
        .unwrap();
    let url = bouncer.url(app.db.name());
    app.asks_by(&url).await;
    app.scene.finds_nothing("G07").await;

    let other = session_at(&url, Some(&role), "other").await;
    for name in ["statement_timeout", "idle_in_transaction_session_timeout"] {
        other.batch_execute(&format!("SET {name} = '123ms'")).await.unwrap();
        let finding = app.scene.finds("G07", &app.limit(name), State::Crit).await;
        assert!(
            finding.value.starts_with(&format!("{name} is 123ms by a SET in this session")),
            "{finding:#?}"
        );
        other.batch_execute(&format!("RESET {name}")).await.unwrap();
        app.scene.finds_nothing("G07").await;
    }

    app.set("statement_timeout = '30s'").await;
    let finding = app.scene.finds("G07", &app.limit("statement_timeout"), State::Crit).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(text.contains("RECONNECT"), "{finding:#?}");
    bouncer.admin("RECONNECT").await.unwrap();
    app.scene.finds_nothing("G07").await;
    drop((other, bouncer));
    app.scene.asker = session_at(&app.db.url(), None, "asker").await;
    app.end().await;
}

plimsoll_embedded::on_each_pgbouncer!(a_pooler_that_mixes_sessions_is_found);
