//! A pooler whose connections to the server are all lent is full, and no outage: what waited there in vain was never sent,
//! is told so, and the breaker stays closed.

use crate::ledger::{entries, ledger};
use crate::server::{self, bare};
use plimsoll::{Database, Error, Fault, Outcome, Result};
use plimsoll_embedded::test_server::TestDatabase;
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};

const INSERT: &str = "INSERT INTO entry VALUES ($1)";

/// One connection to the server, for which a client waits a second at most.
async fn pooler(version: PgBouncerVersion, mode: PoolMode, server: &TestDatabase) -> PgBouncer {
    PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(mode)
        .setting("default_pool_size", "1")
        .setting("query_wait_timeout", "1")
        .setting("max_client_conn", "200")
        .start()
        .await
        .unwrap()
}

#[track_caller]
fn was_never_sent<T>(what: &str, told: Result<T>) -> Error {
    let Err(error) = told else { panic!("{what}: it is no success") };
    assert_eq!(error.fault(), Fault::TooManyConnections, "{what}: {error}");
    assert_eq!(error.outcome(), Outcome::NotStarted, "{what}: {error}");
    assert!(error.sentence().contains("query_wait_timeout"), "{what}: {error}");
    error
}

async fn a_transaction_pooler_that_is_full_is_told_as_full(version: PgBouncerVersion) {
    let fresh = ledger().await;
    let bouncer = pooler(version, PoolMode::Transaction, &fresh).await;
    let url = bouncer.url(fresh.name());
    let db = Database::connect(server::settings(&url).pool_min(1).pool_max(4)).await.unwrap();
    db.execute(INSERT, &[&0]).await.unwrap();
    let held: Vec<_> = {
        let (a, b, c, d) = tokio::join!(db.acquire(), db.acquire(), db.acquire(), db.acquire());
        vec![a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()]
    };
    // Each lease has spoken to the server once, so it knows what it sends.
    for lease in &held {
        lease.query("SELECT count(*) FROM entry", &[]).await.unwrap();
    }
    let other = bare(&url).await;
    other.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let script = "BEGIN; INSERT INTO entry VALUES (2); COMMIT";
    let (execute, batch, ..) =
        tokio::join!(held[0].execute(INSERT, &[&1]), held[1].batch_execute(script), async {},);
    was_never_sent("execute", execute);
    was_never_sent("script", batch);
    drop(held);
    assert_eq!(db.breaker().trips, 0);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(entries(&fresh).await, [0]);
    db.named("again").idempotent().execute(INSERT, &[&3]).await.unwrap();
    assert_eq!(entries(&fresh).await, [0, 3]);
    assert_eq!(db.breaker().trips, 0);
}

plimsoll_embedded::on_each_pgbouncer!(a_transaction_pooler_that_is_full_is_told_as_full);
