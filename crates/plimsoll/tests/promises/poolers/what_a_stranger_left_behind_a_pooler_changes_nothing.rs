//! Behind a transaction pooler another client of the same login leaves its settings and its temporary tables in every
//! server session. What is stored, seen and promised does not depend on that; and it is told, with what to do.

use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, HealthState, Isolation, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};

const SETUP: &str = "CREATE TABLE telemetry (id int, at timestamptz, note text);
    CREATE SCHEMA evil; CREATE TABLE evil.telemetry (id int, at timestamptz, note text);
    CREATE TYPE evil.text AS ENUM ('x')";
const INSERT: &str =
    "INSERT INTO telemetry VALUES ($1, '01/02/2020 12:00'::text::timestamptz, 0.1::float8::text)";

/// What a stranger may leave, and each hides or changes something.
const LEFT: [&str; 9] = [
    "SET search_path = evil, public",
    "CREATE TEMP TABLE telemetry (LIKE public.telemetry)",
    "SET default_transaction_read_only = on",
    "SET default_transaction_isolation = 'serializable'",
    "SET DateStyle = 'SQL, DMY'",
    "SET extra_float_digits = -15",
    "SET statement_timeout = 100",
    "SET synchronous_commit = off",
    "SET search_path = ''",
];

/// One server session, which every client gets in turn.
async fn one_session(version: PgBouncerVersion) -> (TestDatabase, PgBouncer) {
    let db = test_server::database_from("strangers", SETUP).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&db)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "1")
        .start()
        .await
        .unwrap();
    (db, bouncer)
}

/// The ids that are stored where and as they should be.
async fn stored(db: &TestDatabase) -> String {
    let right = "SELECT string_agg(id::text, ',' ORDER BY id) FROM public.telemetry \
                 WHERE at = '2020-01-02 12:00' AND note = '0.1'";
    server::text(db, right).await
}

async fn each_row_is_stored_where_it_belongs(version: PgBouncerVersion) {
    for left in LEFT {
        let (db, bouncer) = one_session(version).await;
        let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
        pool.execute("SELECT 1", &[]).await.unwrap();
        let stranger = server::bare(&bouncer.url(db.name())).await;
        stranger.batch_execute(left).await.unwrap();
        for round in 0..2 {
            let id = |n: i32| n + 10 * round;
            pool.execute(INSERT, &[&id(1)]).await.unwrap_or_else(|error| panic!("{left}: {error}"));
            pool.transaction(async |tx: Transaction| tx.execute(INSERT, &[&id(2)]).await).await.unwrap();
            pool.named("serial")
                .isolation(Isolation::RepeatableRead)
                .execute(INSERT, &[&id(3)])
                .await
                .unwrap();
            pool.named("known").resolvable().execute(INSERT, &[&id(4)]).await.unwrap();
            let batch = INSERT.replace("$1", &id(5).to_string());
            pool.acquire().await.unwrap().batch_execute(&batch).await.unwrap();
            let seen = pool
                .named("look")
                .read_only()
                .query_one("SELECT count(*) FROM telemetry WHERE id > $1", &[&(10 * round)])
                .await
                .unwrap();
            assert_eq!(seen.get::<_, i64>(0), 5, "{left}: what was stored is seen");
        }
        assert_eq!(stored(&db).await, "1,2,3,4,5,11,12,13,14,15", "{left}");
        let held = "SHOW synchronous_commit";
        let promised = pool.transaction(async |tx: Transaction| tx.query_one(held, &[]).await).await.unwrap();
        assert_eq!(promised.get::<_, &str>(0), "on", "{left}");
        drop(stranger);
    }
}
plimsoll_embedded::on_each_pgbouncer!(each_row_is_stored_where_it_belongs);

async fn a_pool_that_begins_in_a_strangers_session_is_no_different(version: PgBouncerVersion) {
    let (db, bouncer) = one_session(version).await;
    let stranger = server::bare(&bouncer.url(db.name())).await;
    for left in LEFT.iter().filter(|left| !left.contains("statement_timeout")) {
        stranger.batch_execute(left).await.unwrap();
        stranger.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    }
    stranger.batch_execute("SET default_transaction_read_only = on").await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
    for id in 1..4 {
        pool.execute(INSERT, &[&id]).await.unwrap();
    }
    assert_eq!(stored(&db).await, "1,2,3");
}
plimsoll_embedded::on_each_pgbouncer!(a_pool_that_begins_in_a_strangers_session_is_no_different);

async fn what_the_login_has_of_its_own_stays(version: PgBouncerVersion) {
    let db = test_server::database_from("strangers", SETUP).await.unwrap();
    let own = format!(
        "ALTER DATABASE {0} SET search_path = evil; ALTER DATABASE {0} SET default_transaction_isolation = 'repeatable read'",
        db.name()
    );
    db.execute(&own).await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
    pool.execute("INSERT INTO telemetry VALUES (1)", &[]).await.unwrap();
    assert_eq!(server::text(&db, "SELECT count(*) FROM evil.telemetry").await, "1");
    let isolation = "SHOW transaction_isolation";
    let row = pool.transaction(async |tx: Transaction| tx.query_one(isolation, &[]).await).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "repeatable read");
}
plimsoll_embedded::on_each_pgbouncer!(what_the_login_has_of_its_own_stays);

async fn it_is_told_with_what_to_do(version: PgBouncerVersion) {
    let (db, bouncer) = one_session(version).await;
    let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
    let mut events = pool.events();
    assert_eq!(pool.health(true).await.state, HealthState::Healthy);
    let stranger = server::bare(&bouncer.url(db.name())).await;
    stranger
        .batch_execute("SET search_path = evil, public; CREATE TEMP TABLE telemetry (id int)")
        .await
        .unwrap();
    let found = server::event("the session is polluted", &mut events, |event| match event {
        Event::SessionsPolluted { found } => Some(found.clone()),
        _ => None,
    })
    .await;
    assert!(found.contains("search_path") && found.contains("temporary telemetry"), "{found}");
    let health = pool.health(true).await;
    assert_eq!(health.state, HealthState::Degraded);
    assert!(format!("{health:?}").contains("RECONNECT"), "{health:?}");
    drop(stranger);
}
plimsoll_embedded::on_each_pgbouncer!(it_is_told_with_what_to_do);
