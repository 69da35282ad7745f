//! What the protocol cannot carry is a mistake in the program: a zero byte in SQL, or more parameters than it can count.
//! It is refused before anything is sent, never run again, and costs no connection.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Result};
use plimsoll_embedded::test_server::TestDatabase;
use tokio_postgres::types::ToSql;

const ZERO: &str = "INSERT INTO entry VALUES (99) -- \0";

async fn pool_of_one() -> (TestDatabase, Database) {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    (fresh, pool)
}

async fn pid(pool: &Database) -> i32 {
    pool.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// A mistake of the caller, of which nothing was sent, in the first try.
#[track_caller]
fn is_a_mistake<T>(what: &str, told: Result<T>, part: &str) -> Error {
    let Err(error) = told else { panic!("{what}: it is no success") };
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{what}: {error}");
    assert_eq!(error.attempts(), 1, "{what}: {error}");
    assert!(!error.may_run_again(), "{what}: {error}");
    assert!(error.sentence().contains(part), "{what}: {part:?} is missing: {error}");
    error
}

#[tokio::test]
async fn a_zero_byte_in_sql_is_refused_by_every_way() {
    let (fresh, pool) = pool_of_one().await;
    let before = pid(&pool).await;
    let part = "zero byte at its byte 33 of 34";
    is_a_mistake("execute", pool.execute(ZERO, &[]).await, part);
    is_a_mistake("query", pool.query(ZERO, &[]).await, part);
    is_a_mistake("idempotent", pool.named("a").idempotent().execute(ZERO, &[]).await, part);
    is_a_mistake("limited", pool.named("b").read_only().query(ZERO, &[]).await, part);
    {
        let lease = pool.acquire().await.unwrap();
        is_a_mistake("lease", lease.execute(ZERO, &[]).await, part);
        is_a_mistake("script", lease.batch_execute(ZERO).await, part);
        is_a_mistake("prepare", lease.prepare(ZERO).await, part);
        is_a_mistake("stream", lease.query_stream(ZERO, &[]).await, part);
        is_a_mistake("copy", lease.copy_out("COPY entry TO STDOUT -- \0").await, "zero byte");
    }
    let told = pool
        .transaction(async |tx| {
            tx.execute(INSERT, &[&1]).await?;
            is_a_mistake("transaction", tx.execute(ZERO, &[]).await, part);
            is_a_mistake("script in a transaction", tx.batch_execute(ZERO).await, part);
            // Nothing of it has reached the server, so the transaction goes on.
            tx.execute(INSERT, &[&2]).await
        })
        .await;
    assert_eq!(told.unwrap(), 1);
    assert_eq!(entries(&fresh).await, [1, 2]);
    assert_eq!(pid(&pool).await, before, "no connection was lost");
}

/// A text that the driver alone sees: a name that is sent at the start of a session has its own check in the settings.
#[tokio::test]
async fn through_the_drivers_client_it_is_a_mistake_too() {
    let (_fresh, pool) = pool_of_one().await;
    let before = pid(&pool).await;
    let lease = pool.acquire().await.unwrap();
    let client = lease.driver().await.unwrap();
    for error in [
        client.execute(ZERO, &[]).await.unwrap_err(),
        client.batch_execute(ZERO).await.unwrap_err(),
        client.query_typed(ZERO, &[]).await.unwrap_err(),
    ] {
        let error = Error::from(error);
        assert_eq!(error.fault(), Fault::Usage, "{error}");
    }
    drop(lease);
    assert_eq!(pid(&pool).await, before, "no connection was lost");
}

#[tokio::test]
async fn more_parameters_than_the_protocol_counts_are_refused() {
    let (fresh, pool) = pool_of_one().await;
    let before = pid(&pool).await;
    let one: &(dyn ToSql + Sync) = &1_i32;
    let params = vec![one; 65_536];
    let rows: Vec<String> = (1..=65_536).map(|n| format!("(${n}::int)")).collect();
    let sql = format!("INSERT INTO entry VALUES {}", rows.join(","));
    let part = "65536 parameters were given and a statement takes at most 65535";
    is_a_mistake("execute", pool.execute(&sql, &params).await, part);
    is_a_mistake("idempotent", pool.named("a").idempotent().execute(&sql, &params).await, part);
    is_a_mistake("short text", pool.query("SELECT $1::int", &params).await, part);
    {
        let lease = pool.acquire().await.unwrap();
        is_a_mistake("lease", lease.query(&sql, &params).await, part);
        is_a_mistake("stream", lease.query_stream(&sql, &params).await, part);
    }
    let told = pool
        .transaction(async |tx| {
            is_a_mistake("transaction", tx.execute(&sql, &params).await, part);
            tx.execute(INSERT, &[&1]).await
        })
        .await;
    assert_eq!(told.unwrap(), 1);
    assert_eq!(entries(&fresh).await, [1]);

    // As many as it can count are sent.
    let most: Vec<i32> = (1..=65_535).collect();
    let params: Vec<&(dyn ToSql + Sync)> = most.iter().map(|n| n as &(dyn ToSql + Sync)).collect();
    let list: Vec<String> = (1..=65_535).map(|n| format!("${n}::int")).collect();
    let sql = format!("SELECT (ARRAY[{}])[65535]", list.join(","));
    assert_eq!(pool.query_one(&sql, &params).await.unwrap().get::<_, i32>(0), 65_535);
    assert_eq!(pid(&pool).await, before, "no connection was lost");
}
