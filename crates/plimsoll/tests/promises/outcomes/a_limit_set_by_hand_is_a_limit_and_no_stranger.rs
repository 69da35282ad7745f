//! A `statement_timeout` that the program has set by itself, that a function brings along or that was set for the role, fires
//! as the limit that it is. A cancel by another client in the same session is still told as that.

use crate::server;
use plimsoll::{Database, Error, Fault, Outcome};
use plimsoll_embedded::test_server;

const SLEEP: &str = "SELECT pg_sleep(60)";
const LIMIT: &str = "SET LOCAL statement_timeout = '100ms'";

#[track_caller]
fn is_limit(what: &str, error: &Error) {
    assert_eq!(error.sqlstate().unwrap().code(), "57014", "{what}: {error}");
    assert_eq!(
        (error.fault(), error.outcome()),
        (Fault::StatementTimeout, Outcome::RolledBack),
        "{what}: {error}"
    );
    assert!(error.sentence().contains("the limit is none of this pool"), "{what}: {error}");
}

#[tokio::test]
async fn however_it_was_set_it_is_a_limit() {
    let fresh = test_server::database().await.unwrap();
    let pool = server::database(&fresh).await;
    let told = pool
        .transaction(async |tx| {
            tx.execute(LIMIT, &[]).await?;
            tx.query(SLEEP, &[]).await
        })
        .await;
    is_limit("SET LOCAL in a transaction", &told.unwrap_err());

    let tx = pool.begin().await.unwrap();
    tx.query("SELECT set_config('statement_timeout', $1, true)", &[&"100"]).await.unwrap();
    is_limit("set_config with a parameter", &tx.query(SLEEP, &[]).await.unwrap_err());
    drop(tx);

    let lease = pool.acquire().await.unwrap();
    let script = format!("BEGIN; {LIMIT}; {SLEEP}; COMMIT");
    let error = lease.batch_execute(&script).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "in a script: {error}");
    drop(lease);
    let lease = pool.acquire().await.unwrap();
    lease.execute("SET statement_timeout = '100ms'", &[]).await.unwrap();
    is_limit("SET on a lease", &lease.query(SLEEP, &[]).await.unwrap_err());
    drop(lease);

    // What was set on the lease does not outlive it, and our own limits speak for themselves.
    let error = pool
        .named("nap")
        .statement_timeout(std::time::Duration::from_millis(100))
        .query(SLEEP, &[])
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
    assert!(!error.sentence().contains("none of this pool"), "{error}");
}

#[tokio::test]
async fn a_cancel_in_such_a_session_is_still_another_clients() {
    let fresh = test_server::database().await.unwrap();
    let pool: Database = server::database(&fresh).await;
    let strike = server::until("the sleeper is struck", server::PATIENCE, async || {
        let sql = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                   AND state = 'active' AND wait_event = 'PgSleep'";
        !fresh.execute(sql).await.unwrap().is_empty()
    });
    let sleeper = pool.transaction(async |tx| {
        tx.execute("SET LOCAL statement_timeout = '30s'", &[]).await?;
        tx.query(SLEEP, &[]).await
    });
    let (told, ()) = tokio::join!(sleeper, strike);
    let error = told.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::CancelledByOther, Outcome::RolledBack), "{error}");
}
