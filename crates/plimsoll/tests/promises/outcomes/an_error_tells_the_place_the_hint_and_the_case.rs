//! What the server adds to an error is told where it holds no data: the place in the statement, the hint, the detail. And
//! where its code tells the cause, the advice is for that case.

use crate::ledger::ledger;
use crate::server;
use plimsoll::{Database, Error, Fault};
use plimsoll_embedded::{PgBouncer, PoolMode, test_server};

#[track_caller]
fn tells(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert!(!text.contains('\n'), "{text:?}");
}

#[tokio::test]
async fn a_wrong_statement_is_told_with_its_place_and_the_servers_hint() {
    let fresh = ledger().await;
    let db = server::database(&fresh).await;
    let error = db.query("SELECT id,\n       entry_idd\n  FROM entry", &[]).await.unwrap_err();
    tells(&error, &["(42703) at line 2, column 8", "run the migrations that add the column"]);
    let error = db.query("SELECT ids FROM entry", &[]).await.unwrap_err();
    tells(&error, &["at line 1, column 8", "hint: Perhaps you meant to reference the column \"entry.id\"."]);
    let error = db.query("SELECT 'é', upper(1)", &[]).await.unwrap_err();
    tells(&error, &["(42883) at line 1, column 13", "hint: No function matches", "as in $1::int"]);
    let error = db.query("SELECT id FRM entry WHERE id = 'x'", &[]).await.unwrap_err();
    tells(&error, &["(42601) at line 1, column 15", "what to do: correct it there"]);
    let error = db.query("DROP FUNCTION dawdle()", &[]).await.unwrap_err();
    tells(
        &error,
        &["(2BP01)", "detail: trigger dawdles on table slow depends on function dawdle()", "CASCADE"],
    );
}

#[tokio::test]
async fn what_quotes_rows_is_not_told() {
    let fresh = ledger().await;
    let db = server::database(&fresh).await;
    db.execute("INSERT INTO entry VALUES (4711)", &[]).await.unwrap();
    let raised = "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '55000', DETAIL = 'row 4711', HINT = '4711'; END $$";
    for sql in ["INSERT INTO entry VALUES (4711)", "SELECT '4711x'::int", raised] {
        let error = db.acquire().await.unwrap().batch_execute(sql).await.unwrap_err();
        assert!(!format!("{error} {error:?} {error:#?}").contains("4711"), "{error:?}");
    }
}

#[tokio::test]
async fn several_statements_in_one_text_are_sent_to_batch_execute() {
    let fresh = ledger().await;
    let db = server::database(&fresh).await;
    let error = db.query("SELECT 1; SELECT 2", &[]).await.unwrap_err();
    tells(&error, &["PL-SQL-03", "what to do: use batch_execute"]);
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("SELECT 1; SELECT 2").await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_to_be_created_or_its_name_corrected() {
    let fresh = test_server::database().await.unwrap();
    let parts = [
        "PL-CON-04",
        "no database of this name",
        "create the database (CREATE DATABASE), or correct its name",
    ];
    let url = fresh.url().replace(fresh.name(), "nowhere");
    tells(&Database::connect(server::settings(&url)).await.unwrap_err(), &parts);
}

#[tokio::test]
async fn a_wrong_password_is_told_as_one() {
    let fresh = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&fresh).pool_mode(PoolMode::Transaction).start().await.unwrap();
    for url in [fresh.url(), bouncer.url(fresh.name())] {
        let url = url.replace(fresh.server().password(), "wrong");
        let error = Database::connect(server::settings(&url)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Authentication, "{error}");
        tells(&error, &["password"]);
    }
}

/// What `fn main() -> Result<(), plimsoll::Error>` prints.
#[tokio::test]
async fn printed_for_debugging_it_is_the_sentence() {
    let fresh = ledger().await;
    let db = server::database(&fresh).await;
    let error = db.query("SELECT 1 / 0", &[]).await.unwrap_err();
    let (shown, printed) = (error.to_string(), format!("{error:?}"));
    assert!(printed.starts_with(&shown), "{printed}");
    assert!(format!("{error:#?}").starts_with("Error {"), "{error:#?}");
    let reason: std::io::Error = std::io::Error::other("the shelf is empty");
    let own = Error::abort(reason);
    assert_eq!(format!("{own:?}"), "PL-TXN-05 the transaction's code gave up: the shelf is empty");
}
