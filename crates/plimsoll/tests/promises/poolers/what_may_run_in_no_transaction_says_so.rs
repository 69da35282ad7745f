//! Behind a transaction pooler each statement runs in a transaction. One that may run in none (VACUUM, CREATE INDEX
//! CONCURRENTLY) is refused there by the server, and a CALL, which may commit, before it is sent. The error says where it
//! can be run.

use crate::server;
use plimsoll::{Database, Fault, Outcome, Result};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};

const SETUP: &str = "CREATE TABLE item (id int);
    CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO item VALUES (1); COMMIT; END $$;";
const STATEMENTS: [&str; 3] =
    ["VACUUM item", "CREATE INDEX CONCURRENTLY item_id ON item (id)", "CALL commits()"];

async fn scene() -> TestDatabase {
    test_server::database_from("outside", SETUP).await.unwrap()
}

#[track_caller]
fn is_told<T>(what: &str, told: Result<T>, fault: Fault, part: &str) {
    let Err(error) = told else { panic!("{what}: it is no success") };
    assert_eq!(error.fault(), fault, "{what}: {error}");
    assert!(matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack), "{what}: {error}");
    assert!(error.sentence().contains(part), "{what}: {part:?} is missing: {error}");
}

async fn behind_a_transaction_pooler_the_way_past_it_is_named(version: PgBouncerVersion) {
    let fresh = scene().await;
    let bouncer = PgBouncer::in_front_of(&fresh)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let url = bouncer.url(fresh.name());
    let db = Database::connect(server::settings(&url).pool_max(2)).await.unwrap();
    for sql in STATEMENTS {
        let part = "past the pooler";
        is_told(sql, db.execute(sql, &[]).await, Fault::Usage, part);
        is_told(sql, db.acquire().await.unwrap().execute(sql, &[]).await, Fault::Usage, part);
        is_told(sql, db.transaction(async |tx| tx.execute(sql, &[]).await).await, Fault::Usage, part);
    }
    let row = db.query_one("SELECT count(*) FROM item", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_transaction_pooler_the_way_past_it_is_named);

#[tokio::test]
async fn on_a_direct_connection_the_transaction_in_its_way_is_the_callers() {
    let fresh = scene().await;
    let db = server::database(&fresh).await;
    for sql in STATEMENTS {
        let told = db.transaction(async |tx| tx.execute(sql, &[]).await).await;
        is_told(sql, told, Fault::TransactionState, "send it alone");
        db.execute(sql, &[]).await.unwrap();
    }
}
