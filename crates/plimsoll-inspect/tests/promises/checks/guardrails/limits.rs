//! G01 to G05: each limit that is not there, or too long, is found at the level that decides, and the remedy and its inverse speak
//! at that level.

use super::app::App;
use crate::session::session_at;
use plimsoll_inspect::checks::finding::Remedy;
use plimsoll_inspect::checks::{Finding, State};

/// A check, its setting, and what none of it is.
const LIMITS: [(&str, &str, State); 4] = [
    ("G01", "client_connection_check_interval", State::Crit),
    ("G02", "statement_timeout", State::Crit),
    ("G03", "lock_timeout", State::Warn),
    ("G04", "idle_in_transaction_session_timeout", State::Crit),
];

/// What the remedy runs, without the role.
fn ran(finding: &Finding) -> String {
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    let statement = run.first().unwrap();
    statement.split_once(" SET ").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_limit_that_is_not_there_is_found_and_set() {
    let app = App::new().await;
    for (id, name, none) in LIMITS {
        let finding = app.finds_and_remedies(id, none).await;
        assert_eq!(finding.value, format!("{name} is 0"));
        assert_eq!(finding.source, "default");
    }
    let finding = app.finds("G04", State::Crit).await;
    assert_eq!(ran(&finding), "idle_in_transaction_session_timeout = '30s'");
    app.end().await;
}

#[tokio::test]
async fn a_limit_that_is_there_is_well() {
    let app = App::new().await;
    for (id, name, _) in LIMITS {
        let value = if id == "G03" { "5s" } else { "20s" };
        app.set(&format!("{name} = '{value}'")).await;
        app.finds(id, State::Ok).await;
    }
    app.scene.finds_nothing("G02").await;
    app.end().await;
}

#[tokio::test]
async fn a_limit_that_is_too_long_is_found_and_what_was_there_comes_back() {
    let mut app = App::new().await;
    for (id, name, _) in LIMITS {
        app.set(&format!("{name} = '4000s'")).await;
        let finding = app.finds_and_remedies(id, State::Warn).await;
        assert_eq!((finding.value, finding.source), (format!("{name} is 4000s"), "role".to_owned()));
    }
    // What is a warning is an argument.
    app.set("statement_timeout = '20000'").await;
    app.finds("G02", State::Ok).await;
    app.scene.thresholds.push(("statement_timeout_warn", 10.0));
    let finding = app.finds("G02", State::Warn).await;
    assert_eq!(finding.value, "statement_timeout is 20s");
    app.end().await;
}

/// The role's own value is right, and the one for this database is not: only the latter counts, and only it is changed.
#[tokio::test]
async fn the_remedy_speaks_where_the_wrong_value_was_said() {
    let app = App::new().await;
    app.set("statement_timeout = '20s'").await;
    app.set_here("statement_timeout = 0").await;
    let finding = app.finds_and_remedies("G02", State::Crit).await;
    assert_eq!(finding.source, "role in database");
    let Some(Remedy::Sql { run, undo, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    let (role, db) = (&app.scene.role, app.db.name());
    assert_eq!(run, &[format!("ALTER ROLE \"{role}\" IN DATABASE \"{db}\" SET statement_timeout = '30s'")]);
    assert_eq!(undo, &[format!("ALTER ROLE \"{role}\" IN DATABASE \"{db}\" SET statement_timeout = '0'")]);
    app.end().await;
}

#[tokio::test]
async fn what_is_set_for_the_database_counts_for_its_roles() {
    let app = App::new().await;
    app.run(&format!("ALTER DATABASE {} SET lock_timeout = '3s'", app.db.name())).await;
    let finding = app.finds("G03", State::Ok).await;
    assert_eq!((finding.value.as_str(), finding.source.as_str()), ("lock_timeout is 3s", "database"));
    app.end().await;
}

#[tokio::test]
async fn a_lock_timeout_that_is_never_reached_is_found() {
    let app = App::new().await;
    app.set("lock_timeout = '30s'").await;
    app.finds("G03", State::Ok).await;
    app.set("statement_timeout = '4s'").await;
    let finding = app.finds_and_remedies("G03", State::Warn).await;
    assert!(finding.value.contains("never reached"), "{finding:#?}");
    // It is set below the statement's limit, not to the usual 5 s.
    assert_eq!(ran(&finding), "lock_timeout = '2s'");
    app.end().await;
}

#[tokio::test]
async fn a_transaction_has_a_limit_where_the_server_has_one() {
    let app = App::new().await;
    if app.db.server().version() < 17 {
        let finding = app.scene.finds("G05", "server", State::Skipped).await;
        assert!(finding.value.contains("it came with 17"), "{finding:#?}");
        return app.end().await;
    }
    let finding = app.finds_and_remedies("G05", State::Warn).await;
    assert_eq!(ran(&finding), "transaction_timeout = '5min'");
    app.set("transaction_timeout = '1min'").await;
    app.finds("G05", State::Ok).await;
    app.end().await;
}

/// The session that asks was started with a limit of its own: what another session of the role would have cannot be told by it.
#[tokio::test]
async fn a_limit_that_only_the_asker_sent_is_not_taken_for_the_servers() {
    let mut app = App::new().await;
    for (id, name, none) in LIMITS {
        let url = format!("{}?options=-c%20{name}%3D20s", app.db.url());
        app.scene.asker = session_at(&url, None, "asker").await;
        let finding = app.finds(id, State::Skipped).await;
        assert!(finding.value.contains("was started with"), "{finding:#?}");
        app.scene.asker = session_at(&app.db.url(), None, "asker").await;
        app.finds(id, none).await;
    }
    app.end().await;
}

/// The role that asks has a limit of its own, which stands before the server's.
#[tokio::test]
async fn a_limit_of_the_role_that_asks_is_not_taken_for_the_servers() {
    let mut app = App::new().await;
    let asker = format!("{}_ask", app.db.name());
    app.run(&format!(
        "CREATE ROLE {asker} LOGIN PASSWORD 'pw'; ALTER ROLE {asker} SET statement_timeout = '20s'"
    ))
    .await;
    app.scene.asker = session_at(&app.db.url(), Some(&asker), "asker").await;
    let finding = app.finds("G02", State::Skipped).await;
    assert_eq!(finding.value, "statement_timeout is hidden by what is set for the role that asks");
    // What is set for the application's own role is seen all the same.
    app.set("statement_timeout = 0").await;
    app.finds_and_remedies("G02", State::Crit).await;
    app.scene.asker = session_at(&app.db.url(), None, "asker").await;
    app.run(&format!("DROP ROLE {asker}")).await;
    app.end().await;
}

#[tokio::test]
async fn a_name_that_has_to_be_quoted_is_quoted() {
    let mut app = App::new().await;
    let plain = app.scene.role.clone();
    let number = app.db.name().rsplit('_').next().unwrap();
    app.scene.role = format!("{number} \"Odd\" \\ 'name'");
    app.run(&format!("ALTER ROLE {plain} RENAME TO \"{}\"", app.scene.role.replace('"', "\"\""))).await;
    app.finds_and_remedies("G02", State::Crit).await;
    app.run(&format!("ALTER ROLE \"{}\" RENAME TO {plain}", app.scene.role.replace('"', "\"\""))).await;
    app.scene.role = plain;
    app.end().await;
}

#[tokio::test]
async fn a_role_that_is_not_there_is_no_good_news() {
    let mut app = App::new().await;
    let role = std::mem::replace(&mut app.scene.role, "none_of_this_name".to_owned());
    for id in ["G01", "G02", "G03", "G04", "G06", "G07", "G08", "G09", "G10", "G11", "G12"] {
        let finding = app.scene.finds(id, "server", State::Skipped).await;
        assert_eq!(finding.value, "there is no role none_of_this_name", "{id}");
    }
    app.scene.role = role;
    app.end().await;
}
