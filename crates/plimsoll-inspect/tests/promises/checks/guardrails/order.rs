//! G08: a limit that is no shorter than the one around it is found, with the corrected set.

use super::app::App;
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::Remedy;

#[tokio::test]
async fn an_inversion_is_found_and_put_right() {
    let app = App::new().await;
    app.scene.finds_nothing("G08").await;
    for setting in
        ["lock_timeout = '10s'", "statement_timeout = '10s'", "client_connection_check_interval = '20s'"]
    {
        app.set(setting).await;
    }
    let finding = app.finds_and_remedies("G08", State::Crit).await;
    assert!(finding.value.contains("lock_timeout is 10s within statement_timeout of 10s"), "{finding:#?}");
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    assert_eq!(run.len(), 2, "{run:#?}");
    app.set("lock_timeout = '5s'").await;
    app.set("client_connection_check_interval = '1s'").await;
    app.scene.finds_nothing("G08").await;
    app.end().await;
}

/// Two levels say something: the value that counts is the one that is corrected.
#[tokio::test]
async fn an_inversion_across_levels_is_put_right_where_it_is() {
    let app = App::new().await;
    app.set("lock_timeout = '5s'").await;
    app.set("statement_timeout = '30s'").await;
    app.set_here("statement_timeout = '4s'").await;
    let finding = app.finds_and_remedies("G08", State::Crit).await;
    let Some(Remedy::Sql { run, undo, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    let role = &app.scene.role;
    assert_eq!(run, &[format!("ALTER ROLE \"{role}\" SET lock_timeout = '2s'")]);
    assert_eq!(undo, &[format!("ALTER ROLE \"{role}\" SET lock_timeout = '5s'")]);
    app.end().await;
}

#[tokio::test]
async fn a_transactions_limit_is_around_the_others() {
    let app = App::new().await;
    if app.db.server().version() < 17 {
        return app.end().await;
    }
    for setting in ["transaction_timeout = '8s'", "statement_timeout = '30s'", "lock_timeout = '6s'"] {
        app.set(setting).await;
    }
    let finding = app.finds_and_remedies("G08", State::Crit).await;
    assert!(
        finding.value.contains("statement_timeout is 30s within transaction_timeout of 8s"),
        "{finding:#?}"
    );
    app.set("statement_timeout = '7s'").await;
    app.scene.finds_nothing("G08").await;
    app.end().await;
}
