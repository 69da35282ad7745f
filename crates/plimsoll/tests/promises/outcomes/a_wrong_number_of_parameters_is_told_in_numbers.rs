//! A statement that is given another number of parameters than it takes says both numbers, in the same words by whatever
//! messages it would have been sent: prepared, with known types, in a transaction, as a stream. Nothing was sent.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Phase, Result};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};

const TWO: &str = "SELECT $1::int + $2::int";

#[track_caller]
fn is_counted<T>(what: &str, told: Result<T>, part: &str) -> Error {
    let Err(error) = told else { panic!("{what}: it is no success") };
    assert_eq!(
        (error.fault(), error.phase(), error.outcome()),
        (Fault::Conversion, Phase::Statement, Outcome::NotStarted),
        "{what}: {error}"
    );
    assert!(error.sentence().contains(part), "{what}: {part:?} is missing: {error}");
    assert!(error.to_string().contains("one value for each"), "{what}: the advice fits: {error}");
    error
}

const ONE_OF_TWO: &str = "was not sent: it takes 2 parameters ($1 to $2) and was given 1";

/// By each way that this handle has, three times: the first use, the second and what follows take different ways.
async fn each_way(pool: &Database) {
    for round in 0..3 {
        let what = |way: &str| format!("{way}, round {round}");
        let told = pool.query(TWO, &[&1]).await;
        is_counted(&what("query"), told, ONE_OF_TWO);
        let told = pool.named("sum").query(TWO, &[&1]).await;
        is_counted(&what("named"), told, "statement of \"sum\" (a_wrong_number");
        let told = pool.named("sum").read_only().query(TWO, &[&1]).await;
        is_counted(&what("read only"), told, ONE_OF_TWO);
        let told = pool.named("sum").idempotent().query(TWO, &[&1]).await;
        assert_eq!(is_counted(&what("idempotent"), told, ONE_OF_TWO).attempts(), 1);
        let told = pool.query("SELECT 1", &[&1]).await;
        is_counted(&what("none"), told, "it takes no parameter and was given 1");
        {
            let lease = pool.acquire().await.unwrap();
            is_counted(&what("lease"), lease.query(TWO, &[&1]).await, ONE_OF_TWO);
        }
        let told = pool
            .transaction(async |tx| {
                let told = tx.query(TWO, &[&1]).await;
                is_counted(&what("transaction"), told, ONE_OF_TWO);
                is_counted(&what("stream"), tx.query_stream(TWO, &[&1], async |_| Ok(())).await, ONE_OF_TWO);
                // Nothing of it has reached the server, so the transaction goes on.
                tx.execute(INSERT, &[&round]).await?;
                tx.query_one(TWO, &[&1, &2]).await
            })
            .await;
        assert_eq!(told.unwrap().get::<_, i32>(0), 3);
        assert_eq!(pool.query_one(TWO, &[&1, &2]).await.unwrap().get::<_, i32>(0), 3);
    }
}

async fn pid(pool: &Database) -> i32 {
    pool.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn on_a_direct_connection() {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let before = pid(&pool).await;
    each_way(&pool).await;
    {
        // Behind a transaction pooler a stream needs a transaction.
        let lease = pool.acquire().await.unwrap();
        is_counted("stream of a lease", lease.query_stream(TWO, &[&1]).await, ONE_OF_TWO);
    }
    assert_eq!(entries(&fresh).await, [0, 1, 2]);
    assert_eq!(pid(&pool).await, before, "no connection was lost");
}

async fn behind_a_pooler(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE entry (id int PRIMARY KEY)").await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).version(version).pool_mode(PoolMode::Transaction);
    let bouncer = bouncer.start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url("postgres")).pool_max(1)).await.unwrap();
    each_way(&pool).await;
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_pooler);
