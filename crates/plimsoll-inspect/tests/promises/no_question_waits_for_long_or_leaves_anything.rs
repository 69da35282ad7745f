//! No question waits for long, and none leaves anything in its session: neither a setting nor an open transaction, also
//! where it is ended by its limit.

use crate::session::session;
use plimsoll_embedded::test_server;
use plimsoll_inspect::blocking::{BLOCKING, LIMIT, LOCK_WAITS};
use std::time::{Duration, Instant};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

const LIMITS: &str = "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')";

#[tokio::test]
async fn the_limits_hold_for_the_one_message() {
    let db = test_server::database().await.unwrap();
    let asker = session(&db, None, "asker").await;
    let before: String = asker.query_one(LIMITS, &[]).await.unwrap().get(0);
    asker.simple_query(BLOCKING).await.unwrap();
    let (limits, question) = BLOCKING.split_once('\n').unwrap();
    // The same limits before something that never ends by itself.
    for (slow, code) in [
        (format!("{limits} SELECT pg_sleep(60)"), SqlState::QUERY_CANCELED),
        (format!("{limits} SELECT pg_sleep(60); {question}"), SqlState::QUERY_CANCELED),
    ] {
        let began = Instant::now();
        let error = asker.simple_query(&slow).await.unwrap_err();
        assert_eq!(error.code(), Some(&code), "{error}");
        assert!(began.elapsed() >= LIMIT && began.elapsed() < Duration::from_secs(10));
    }
    let after: String = asker.query_one(LIMITS, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    let began = asker.simple_query("SELECT now() = statement_timestamp() AS has_just_begun").await.unwrap();
    let begins = began.iter().any(|it| matches!(it, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
    assert!(begins, "no transaction is open: {began:?}");
}

#[tokio::test]
async fn what_locks_the_catalogs_of_roles_and_databases_does_not_hold_them_up() {
    let db = test_server::database().await.unwrap();
    let asker = session(&db, None, "asker").await;
    for question in [LOCK_WAITS, BLOCKING] {
        asker.simple_query(question).await.unwrap();
    }
    // Other tests use this server too, so they are kept out for one moment only.
    let locker = session(&db, None, "locker").await;
    locker.batch_execute("BEGIN; LOCK pg_authid, pg_database IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let counted = tokio::time::timeout(Duration::from_secs(2), asker.simple_query(LOCK_WAITS)).await;
    let found = tokio::time::timeout(Duration::from_secs(2), asker.simple_query(BLOCKING)).await;
    locker.batch_execute("ROLLBACK").await.unwrap();
    counted.expect("it is not held up").unwrap();
    found.expect("it ends").unwrap();
}
