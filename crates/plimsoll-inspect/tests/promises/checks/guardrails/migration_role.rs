//! G11: a role for migrations that waits for locks without an end, or has the application's limits, is found.

use super::app::App;
use crate::session::session_at;
use plimsoll_inspect::checks::State;

impl App {
    /// Another role, with what it is made with.
    async fn another(&self, name: &str, with: &str) -> String {
        let role = format!("{}_{name}", self.db.name());
        self.run(&format!("CREATE ROLE {role} {with}")).await;
        role
    }

    async fn without(&self, role: &str) {
        self.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }
}

#[tokio::test]
async fn a_role_that_waits_for_locks_without_an_end_is_found() {
    let app = App::new().await;
    app.scene.finds_nothing("G11").await;
    let migrator = app.another("mig", "LOGIN").await;
    app.run(&format!("CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {migrator}")).await;
    let about = format!("role {migrator}");
    let finding = app.scene.finds("G11", &about, State::Warn).await;
    assert!(finding.value.contains("lock_timeout is 0"), "{finding:#?}");
    app.scene.is_remedied("G11", &finding).await;

    // A limit of the application's alone is no fault of the migrations'.
    app.set("statement_timeout = '30s'").await;
    app.run(&format!("ALTER ROLE {migrator} SET lock_timeout = '2s'")).await;
    app.scene.finds_nothing("G11").await;
    app.without(&migrator).await;
    app.end().await;
}

#[tokio::test]
async fn limits_that_are_the_applications_are_found_at_whatever_level() {
    let app = App::new().await;
    let migrator = app.another("mig", "LOGIN").await;
    let db = app.db.name().to_owned();
    app.run(&format!(
        "CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {migrator};
         ALTER DATABASE {db} SET statement_timeout = '30s'; ALTER DATABASE {db} SET lock_timeout = '5s'"
    ))
    .await;
    let about = format!("role {migrator}");
    let finding = app.scene.finds("G11", &about, State::Warn).await;
    assert!(finding.value.contains("statement_timeout is 30s, as for the application"), "{finding:#?}");
    app.scene.is_remedied("G11", &finding).await;
    // Longer than the application's is what it was set to be.
    app.run(&format!("ALTER ROLE {migrator} SET statement_timeout = '2h'")).await;
    app.scene.finds_nothing("G11").await;
    app.without(&migrator).await;
    app.end().await;
}

/// The tables belong to a role that cannot log in; its member is who migrates.
#[tokio::test]
async fn a_member_of_the_owner_is_a_role_for_migrations() {
    let app = App::new().await;
    let owner = app.another("own", "NOLOGIN").await;
    let migrator = app.another("mig", &format!("LOGIN NOINHERIT IN ROLE {owner}")).await;
    app.run(&format!("CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {owner}")).await;
    app.scene.finds("G11", &format!("role {migrator}"), State::Warn).await;
    app.run(&format!("ALTER ROLE {migrator} SET lock_timeout = '2s'")).await;
    app.scene.finds_nothing("G11").await;
    app.without(&migrator).await;
    app.without(&owner).await;
    app.end().await;
}

/// The server's own value is hidden by what is set for the role that asks.
#[tokio::test]
async fn a_limit_that_cannot_be_known_is_no_good_news() {
    let mut app = App::new().await;
    let (migrator, asker) =
        (app.another("mig", "LOGIN").await, app.another("ask", "LOGIN PASSWORD 'pw'").await);
    app.run(&format!(
        "CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {migrator}; ALTER ROLE {asker} SET lock_timeout = '2s'"
    ))
    .await;
    let about = format!("role {migrator}");
    app.scene.asker = session_at(&app.db.url(), Some(&asker), "asker").await;
    app.scene.finds("G11", &about, State::Skipped).await;
    let url = format!("{}?options=-c%20lock_timeout%3D2s", app.db.url());
    app.scene.asker = session_at(&url, None, "asker").await;
    app.scene.finds("G11", &about, State::Skipped).await;
    app.scene.asker = session_at(&app.db.url(), None, "asker").await;
    app.scene.finds("G11", &about, State::Warn).await;
    app.without(&migrator).await;
    app.without(&asker).await;
    app.end().await;
}

#[tokio::test]
async fn an_application_that_migrates_by_itself_is_told_of() {
    let app = App::new().await;
    let role = &app.scene.role;
    app.run(&format!("CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {role}")).await;
    app.finds("G11", State::Info).await;
    app.end().await;
}
