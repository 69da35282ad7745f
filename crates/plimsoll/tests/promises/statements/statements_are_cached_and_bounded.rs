//! A statement that is used again is prepared once; how many are kept has a bound on the server too; one that the
//! schema changed under is prepared anew; and what one connection learned serves all of them.

use super::counted_behind_a_pooler::CountedBehindAPooler;
use crate::server::settings_for;
use plimsoll::settings::Limit;
use plimsoll::{Database, Fault, Outcome, PooledConnection};
use plimsoll_embedded::PgBouncerVersion;
use plimsoll_embedded::test_server;
use plimsoll_faults::Proxy;

/// Statements that the server keeps for this lease.
async fn prepared(lease: &PooledConnection) -> usize {
    let messages = lease.simple_query("SELECT count(*) FROM pg_prepared_statements").await.unwrap();
    let count = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(|text| text.parse().unwrap()),
        _ => None,
    });
    count.unwrap()
}

#[tokio::test]
async fn no_more_are_kept_on_the_server_than_the_bound() {
    let server = test_server::database().await.unwrap();
    // The heartbeat would see the tests beside this one change the catalog, and end what is kept.
    let settings = settings_for(&server).await.pool_max(1).statement_cache(8).heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    for number in 0..60_i32 {
        let sql = format!("SELECT {number} + $1::int4");
        for _ in 0..3 {
            let row = lease.query_one(&sql, &[&1]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), number + 1);
        }
        assert!(prepared(&lease).await <= 8, "at statement {number}");
    }
    assert_eq!(prepared(&lease).await, 8);
    assert_eq!(lease.statements_kept(), 8);
    // Evicted ones work again.
    assert_eq!(lease.query_one("SELECT 0 + $1::int4", &[&1]).await.unwrap().get::<_, i32>(0), 1);
    drop(lease);
    // And the bound holds when the statements come from many leases.
    for number in 100..130_i32 {
        db.query_one(&format!("SELECT {number}"), &[]).await.unwrap();
    }
    assert!(prepared(&db.acquire().await.unwrap()).await <= 8);
}

#[tokio::test]
async fn a_statement_under_which_the_schema_changed_is_prepared_anew() {
    let server =
        test_server::database_from("stale", "CREATE TABLE item (id int); INSERT INTO item VALUES (1)")
            .await
            .unwrap();
    // The heartbeat would see the change too, and then nothing is out of date any more.
    let settings = settings_for(&server).await.pool_max(1).heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let sql = "SELECT * FROM item";
    for _ in 0..3 {
        assert_eq!(db.query_one(sql, &[]).await.unwrap().len(), 1);
    }
    server.execute("ALTER TABLE item ADD COLUMN name text").await.unwrap();
    for _ in 0..3 {
        assert_eq!(db.query_one(sql, &[]).await.unwrap().len(), 2);
    }
    server.execute("ALTER TABLE item ADD COLUMN weight int").await.unwrap();
    // A transaction has failed by the time this is known; it may be run again.
    let error = db.transaction(async |tx| tx.query_one(sql, &[]).await).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::StalePlan, Outcome::RolledBack), "{error}");
    assert!(error.may_run_again());
    assert_eq!(db.transaction(async |tx| tx.query_one(sql, &[]).await).await.unwrap().len(), 3);
    server.execute("ALTER TABLE item ADD COLUMN height int").await.unwrap();
    assert_eq!(db.retrying(async |tx| tx.query_one(sql, &[]).await).await.unwrap().len(), 4);

    // A parameter of another type.
    let find = "SELECT id FROM item WHERE id = $1";
    for _ in 0..3 {
        db.query_one(find, &[&1_i32]).await.unwrap();
    }
    server.execute("ALTER TABLE item ALTER COLUMN id TYPE bigint").await.unwrap();
    assert_eq!(
        db.query_one("SELECT id FROM item WHERE id = $1::int4", &[&1_i32]).await.unwrap().get::<_, i64>(0),
        1
    );
    server.execute("ALTER TABLE item ALTER COLUMN id TYPE text").await.unwrap();
    // It cannot serve the old type any more, and says so once and for all; the new one it serves at once.
    let error = db.query_one(find, &[&1_i32]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Conversion, "{error}");
    assert_eq!(db.query_one(find, &[&"1"]).await.unwrap().get::<_, String>(0), "1");
}

#[tokio::test]
async fn names_that_somebody_took_away_are_made_anew() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(1)).await.unwrap();
    let lease = db.acquire().await.unwrap();
    for _ in 0..3 {
        lease.query_one("SELECT 1", &[]).await.unwrap();
    }
    lease.batch_execute("DEALLOCATE ALL").await.unwrap();
    lease.query_one("SELECT 1", &[]).await.unwrap();
    drop(lease);
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn what_one_connection_learned_saves_the_others_a_round_trip() {
    let server = test_server::database().await.unwrap();
    let proxy = Proxy::in_front_of((server.server().host(), server.server().port())).await.unwrap();
    let settings = settings_for(&server)
        .await
        .hosts(format!("127.0.0.1:{}", proxy.port()))
        .pool_max(2)
        .heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let (first, second) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    let sent = || proxy.wires().iter().map(|wire| wire.to_server.messages).sum::<u64>();
    let cost = async |lease: &PooledConnection| {
        let before = sent();
        lease.query_one("SELECT $1::int4 + 1", &[&1]).await.unwrap();
        sent() - before
    };
    assert_eq!(cost(&first).await, 6, "parse, describe, sync; bind, execute, sync: two flights");
    assert_eq!(cost(&second).await, 5, "parse, bind, describe, execute, sync: one flight");
    assert_eq!(cost(&first).await, 3, "bind, execute, sync");
    assert_eq!(cost(&second).await, 6, "used again, so it is given a name");
    assert_eq!(cost(&second).await, 3);
}

async fn behind_a_transaction_pooler_a_known_statement_is_not_prepared(version: PgBouncerVersion) {
    let scene = CountedBehindAPooler::start(version).await;
    let (db, sent) = (&scene.db, || scene.sent());
    db.query_one("SELECT $1::int4 + 1", &[&1]).await.unwrap();
    let before = sent();
    for _ in 0..5 {
        db.query_one("SELECT $1::int4 + 1", &[&1]).await.unwrap();
    }
    assert_eq!(sent() - before, 5 * 7, "BEGIN; parse, bind, describe, execute, sync; COMMIT");
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_transaction_pooler_a_known_statement_is_not_prepared);
