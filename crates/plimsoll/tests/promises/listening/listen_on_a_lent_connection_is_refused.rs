//! `LISTEN` on a lent connection would be heard by no caller, so it is refused, by whatever method, and the error says
//! what to use. What only looks like it runs.

use crate::server::{self, text};
use plimsoll::{Error, Fault, Outcome};
use plimsoll_embedded::test_server;

/// Nothing was sent; `outcome` is what became of the work around it.
fn assert_refused(answer: Result<(), Error>, outcome: Outcome, what: &str) {
    let error = answer.expect_err(what);
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, outcome), "{what}: {error}");
    assert!(error.sentence().contains("Database::listen"), "{what}: {error}");
}

#[tokio::test]
async fn by_whatever_method() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let lease = db.acquire().await.unwrap();
    for sql in ["LISTEN news", " /* x */ listen \"News\"", "-- x\nLISTEN news"] {
        for (answer, what) in [
            (lease.execute(sql, &[]).await.map(drop), "execute"),
            (lease.query(sql, &[]).await.map(drop), "query"),
            (lease.query_stream(sql, &[]).await.map(drop), "query_stream"),
            (lease.prepare(sql).await.map(drop), "prepare"),
            (lease.prepare_cached(sql).await.map(drop), "prepare_cached"),
            (lease.batch_execute(sql).await, "batch_execute"),
            (lease.simple_query(&format!("SELECT 1; {sql}")).await.map(drop), "simple_query"),
            (db.execute(sql, &[]).await.map(drop), "on the handle"),
            (db.named("x").read_only().query(sql, &[]).await.map(drop), "read only"),
        ] {
            assert_refused(answer, Outcome::NotStarted, what);
        }
        for (answer, what) in [
            (db.transaction(async |tx| tx.execute(sql, &[]).await).await.map(drop), "execute"),
            (
                db.transaction(async |tx| tx.batch_execute(&format!("SELECT 1; {sql}")).await).await,
                "a script",
            ),
        ] {
            assert_refused(answer, Outcome::RolledBack, &format!("in a transaction: {what}"));
        }
    }
}

#[tokio::test]
async fn and_nothing_else_is() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE listen (listen text)").await.unwrap();
    let db = server::database(&fresh).await;
    let lease = db.acquire().await.unwrap();
    for sql in [
        "UNLISTEN *",
        "SELECT listen FROM listen",
        "SELECT 'x; LISTEN news'",
        "NOTIFY news, 'LISTEN'",
        "LOCK TABLE listen",
        "/* LISTEN news */ SELECT 1",
    ] {
        let run = async |sql: &str| db.transaction(async |tx| tx.execute(sql, &[]).await).await;
        run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        if !sql.starts_with("LOCK") {
            lease.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
}

/// What no reading of the text shows, and what goes through the driver's client, is undone with the lease.
#[tokio::test]
async fn and_what_is_hidden_ends_with_the_lease() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let channels = "SELECT count(*) FROM pg_listening_channels()";
    let lease = db.acquire().await.unwrap();
    let pid = lease.backend_pid();
    lease.batch_execute("DO $$ BEGIN LISTEN hidden; END $$").await.unwrap();
    lease.driver().await.unwrap().batch_execute("LISTEN raw").await.unwrap();
    assert_eq!(lease.query_one(channels, &[]).await.unwrap().get::<_, i64>(0), 2, "the server allows it");
    drop(lease);
    let lease = db.acquire().await.unwrap();
    assert_eq!(lease.backend_pid(), pid, "the same session");
    assert_eq!(lease.query_one(channels, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert_eq!(text(&fresh, "SELECT 1").await, "1");
}
