//! G09: an application that logs in as a superuser, with BYPASSRLS, or as an owner of tables is found.

use super::app::App;
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::Remedy;

#[tokio::test]
async fn a_role_that_may_only_use_tables_is_well() {
    let app = App::new().await;
    let role = &app.scene.role;
    app.run(&format!("CREATE TABLE orders (id int); GRANT SELECT ON orders TO {role}")).await;
    app.scene.finds_nothing("G09").await;
    app.end().await;
}

#[tokio::test]
async fn a_superuser_is_found_and_told_to_take_another_role() {
    let mut app = App::new().await;
    app.run(&format!("ALTER ROLE {} SUPERUSER", app.scene.role)).await;
    let finding = app.finds("G09", State::Crit).await;
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
    // And so is the superuser who asks, if no other role is named.
    let role = std::mem::take(&mut app.scene.role);
    let found = app.scene.found("G09").await;
    assert_eq!(found.findings[0].value, "the application logs in as a superuser");
    app.scene.role = role;
    app.end().await;
}

#[tokio::test]
async fn a_role_that_row_security_does_not_bind_is_found_and_bound() {
    let app = App::new().await;
    app.run(&format!("ALTER ROLE {} BYPASSRLS", app.scene.role)).await;
    app.finds_and_remedies("G09", State::Crit).await;
    app.end().await;
}

#[tokio::test]
async fn an_owner_is_found_and_worse_if_it_owns_what_row_security_protects() {
    let app = App::new().await;
    let role = app.scene.role.clone();
    app.run(&format!("CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {role}")).await;
    let about = format!("tables of role {role}");
    let finding = app.scene.finds("G09", &about, State::Warn).await;
    assert!(
        finding.value.contains("owns tables of this database (1, such as public.orders)"),
        "{finding:#?}"
    );
    app.run("ALTER TABLE orders ENABLE ROW LEVEL SECURITY").await;
    app.scene.finds("G09", &about, State::Crit).await;
    app.run("ALTER TABLE orders FORCE ROW LEVEL SECURITY").await;
    app.scene.finds("G09", &about, State::Warn).await;
    app.end().await;
}

/// The rights of an owner come by membership too, and go where they are not inherited.
#[tokio::test]
async fn a_member_of_the_owner_has_its_rights() {
    let app = App::new().await;
    let role = app.scene.role.clone();
    let owner = format!("{role}_o");
    app.run(&format!(
        "CREATE ROLE {owner} NOLOGIN; CREATE TABLE orders (id int); ALTER TABLE orders OWNER TO {owner}"
    ))
    .await;
    app.scene.finds_nothing("G09").await;
    app.run(&format!("GRANT {owner} TO {role}")).await;
    app.scene.finds("G09", &format!("tables of role {owner}"), State::Warn).await;
    app.run(&format!("REVOKE {owner} FROM {role}; ALTER ROLE {role} NOINHERIT; GRANT {owner} TO {role}"))
        .await;
    app.scene.finds_nothing("G09").await;
    app.run(&format!("DROP OWNED BY {owner}; DROP ROLE {owner}")).await;
    app.end().await;
}
