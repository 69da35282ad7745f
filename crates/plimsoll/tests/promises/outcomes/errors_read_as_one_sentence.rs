//! An error is one sentence that can be acted upon: a code, what was asked for and by whom, the numbers, the likely
//! cause and what to do, and never a password, a parameter or the text of a statement.

use crate::ledger::{self, INSERT, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Transaction, deadline};
use plimsoll_embedded::Cluster;
use plimsoll_faults::{Direction, Fault as Broken, When};
use std::time::Duration;

/// The parts that every error has, and what none may hold.
fn reads(error: &Error, fault: Fault, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.fault(), fault, "{text}");
    let advice = error.advice();
    assert!(text.starts_with(&format!("{} ", advice.code)), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert!(text.contains(&format!("outcome: {}", error.outcome())), "{text}");
    assert!(text.contains(&format!("likely cause: {}", advice.cause)), "{text}");
    assert!(text.contains(&format!("what to do: {}", advice.remedy)), "{text}");
    assert!(!text.contains('\n'), "{text:?}");
    let everything = format!("{text} {error:?}");
    for secret in ["hunter2", "4711", "SELECT", "INSERT"] {
        assert!(!everything.contains(secret), "{secret} shows in: {everything}");
    }
}

#[tokio::test]
async fn an_exhausted_pool_names_its_numbers_and_who_holds_it() {
    let db = ledger().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    let line = line!() + 1;
    let _held = pool.named("nightly report").acquire().await.unwrap();
    let ask = pool.named("place order").acquire_within(Duration::from_millis(1_000));
    let error = ask.acquire().await.unwrap_err();
    let holder = format!("\"nightly report\" (errors_read_as_one_sentence.rs:{line})");
    let phrase = "Failed to acquire database connection after 1s. Pool may be exhausted or database may be unresponsive.";
    reads(
        &error,
        Fault::PoolExhausted,
        &["acquire for \"place order\"", "gave up after 1.0 s", "1 of 1 lent", &holder, phrase],
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_named_with_what_it_said() {
    let cluster = Cluster::start().await.unwrap();
    let (url, port) = (cluster.url("postgres").replace(cluster.password(), "hunter2"), cluster.port());
    cluster.stop().await.unwrap();
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    let error = pool.named("look").acquire_within(Duration::from_millis(300)).acquire().await.unwrap_err();
    reads(
        &error,
        Fault::Unreachable,
        &["acquire for \"look\"", "no connection could be opened", &format!("127.0.0.1:{port}"), "refused"],
    );
}

#[tokio::test]
async fn a_statement_names_its_work_its_time_and_what_the_server_said() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let call = pool.named("slow look").statement_timeout(Duration::from_millis(100));
    let error = call.query("SELECT pg_sleep(60), $1::int", &[&4711]).await.unwrap_err();
    let said = "the server said \"canceling statement due to statement timeout\" (57014)";
    reads(&error, Fault::StatementTimeout, &["of \"slow look\"", "failed after 0.1", said]);

    let by = deadline::within(
        Duration::from_millis(100),
        pool.named("slow look").query("SELECT pg_sleep(60)", &[]),
    );
    reads(
        &by.await.unwrap_err(),
        Fault::DeadlinePassed,
        &["of \"slow look\"", "was stopped because the deadline came"],
    );

    pool.execute(INSERT, &[&4711]).await.unwrap();
    let error = pool.named("put").execute(INSERT, &[&4711]).await.unwrap_err();
    reads(&error, Fault::Constraint, &["of \"put\"", "entry_pkey", "(23505)"]);
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("entry_pkey"));
    assert!(
        error.as_db_error().unwrap().detail().unwrap().contains("4711"),
        "who asks for the detail gets it"
    );

    let call = pool.named("read number");
    let error = call.query("SELECT $1::text::int", &[&"4711 \"apples\""]).await.unwrap_err();
    reads(&error, Fault::Data, &["invalid input syntax for type integer: ...", "(22P02)"]);
    let error =
        pool.acquire().await.unwrap().as_ref().query("SELECT $1::text::int", &[&"x4711"]).await.unwrap_err();
    reads(&error.into(), Fault::Data, &["invalid input syntax for type integer: ...", "(22P02)"]);
}

#[tokio::test]
async fn a_lost_commit_says_so() {
    let db = ledger().await;
    let (wire, url) = ledger::wire(&db).await;
    let pool = Database::connect(server::settings(&url)).await.unwrap();
    wire.set_once(Broken::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    let work = async |tx: Transaction| tx.execute(INSERT, &[&4711]).await;
    let error = pool.named("pay").transaction(work).await.unwrap_err();
    reads(&error, Fault::ConnectionLost, &["commit of \"pay\"", "outcome: unknown"]);
}

#[tokio::test]
async fn a_refused_password_is_told_without_it() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres").replace(cluster.password(), "hunter2");
    let error = Database::connect(server::settings(&url)).await.unwrap_err();
    reads(&error, Fault::Authentication, &["password authentication failed", "28P01"]);
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_told_with_both() {
    let settings = server::settings("postgres://app:hunter2@127.0.0.1/app");
    let settings = settings.lock_timeout(Duration::from_secs(9)).statement_timeout(Duration::from_secs(3));
    let error = Database::connect(settings).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Settings);
    let text = error.to_string();
    for part in ["PL-SET-01", "lock_timeout", "9s", "statement_timeout", "3s"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn an_error_of_the_callers_own_is_only_quoted() {
    let error = Error::abort("the shelf is empty");
    assert_eq!(error.to_string(), "PL-TXN-05 the transaction's code gave up: the shelf is empty");
}
