//! A statement whose types the driver has to look up runs once, through a transaction pooler as on a direct
//! connection, however often the types change.

use crate::server::{self, settings_for};
use bytes::BytesMut;
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

/// Any value of a type that the program does not know, as its bytes.
struct Opaque(Vec<u8>);

impl<'a> FromSql<'a> for Opaque {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Opaque(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A label of an enum.
#[derive(Debug)]
struct Label(&'static str);

impl ToSql for Label {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Enum(_))
    }
    to_sql_checked!();
}

const MAKE_ANEW: &str = "ALTER TABLE person DROP COLUMN mood, DROP COLUMN moods; DROP TYPE mood; \
     CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); \
     ALTER TABLE person ADD COLUMN mood mood DEFAULT 'ok', ADD COLUMN moods mood[] DEFAULT '{sad}'";

const TYPES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE TYPE colour AS ENUM ('red', 'green');
    CREATE TYPE point2 AS (x int, y int);
    CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
    CREATE TABLE person (id serial PRIMARY KEY, mood mood DEFAULT 'ok', moods mood[] DEFAULT '{sad,happy}',
                         at point2 DEFAULT ROW(1, 2), share percent DEFAULT 50);
    CREATE TABLE car (id serial PRIMARY KEY, colour colour DEFAULT 'red');
";

/// Each returns another type that has to be looked up.
const INSERTS: [(&str, &str); 5] = [
    ("INSERT INTO person DEFAULT VALUES RETURNING mood", "person"),
    ("INSERT INTO car DEFAULT VALUES RETURNING colour", "car"),
    ("INSERT INTO person DEFAULT VALUES RETURNING moods", "person"),
    ("INSERT INTO person DEFAULT VALUES RETURNING at", "person"),
    ("INSERT INTO person DEFAULT VALUES RETURNING share", "person"),
];

async fn count(server: &TestDatabase, table: &str) -> u64 {
    server::text(server, &format!("SELECT count(*) FROM {table}")).await.parse().unwrap()
}

async fn pooler(version: PgBouncerVersion, server: &TestDatabase) -> PgBouncer {
    PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "2")
        .setting("server_round_robin", "1")
        .start()
        .await
        .unwrap()
}

/// A pool through a pooler that takes another server connection for each transaction in turn.
async fn through(bouncer: &PgBouncer, server: &TestDatabase) -> Database {
    let db = Database::connect(server::settings(&bouncer.url(server.name()))).await.unwrap();
    // It opens the second only while the first is in use.
    let held = db.begin().await.unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    held.rollback().await;
    db
}

/// Many rounds of every insert, alone and in transactions, from several connections at once.
async fn assert_each_runs_once(db: &Database, server: &TestDatabase) {
    for round in 0..5 {
        for (sql, table) in INSERTS {
            let before = count(server, table).await;
            let row =
                db.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("round {round}: {sql}: {error}"));
            assert!(!row.get::<_, Opaque>(0).0.is_empty());
            assert_eq!(count(server, table).await, before + 1, "round {round}: {sql}");
        }
        // Two leases, so that not always the same connection serves.
        let (one, other) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
        for lease in [&one, &other] {
            for (sql, table) in INSERTS {
                let before = count(server, table).await;
                lease
                    .query_one(sql, &[])
                    .await
                    .unwrap_or_else(|error| panic!("round {round}: {sql}: {error}"));
                assert_eq!(count(server, table).await, before + 1, "round {round}: {sql}");
            }
        }
        drop((one, other));
        for (sql, table) in INSERTS {
            let before = count(server, table).await;
            db.transaction(async |tx| {
                tx.query_one(sql, &[]).await?;
                tx.query_one(sql, &[]).await
            })
            .await
            .unwrap_or_else(|error| panic!("round {round}: {sql} in a transaction: {error}"));
            assert_eq!(count(server, table).await, before + 2, "round {round}: {sql} in a transaction");
        }
    }
}

/// The type is dropped and made anew between statements: it has another number then.
async fn assert_a_type_may_be_made_anew(db: &Database, server: &TestDatabase) {
    let (sql, table) = ("INSERT INTO person (mood) VALUES ($1::text::mood) RETURNING mood", "person");
    let typed = "SELECT count(*) FROM person WHERE mood = any(ARRAY['ok'::mood])";
    for round in 0..4 {
        for connections in [1, 3] {
            let leases = futures_util::future::join_all((0..connections).map(|_| db.acquire())).await;
            for lease in &leases {
                let lease = lease.as_ref().unwrap();
                let before = count(server, table).await;
                lease.query_one(sql, &[&"ok"]).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(count(server, table).await, before + 1, "round {round}");
                lease.query_one(typed, &[]).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        }
        server.execute(MAKE_ANEW).await.unwrap();
    }
}

/// The same where the type is that of a parameter, which is known before the statement runs.
async fn assert_a_parameter_may_be_made_anew(db: &Database, server: &TestDatabase) {
    let sql = "INSERT INTO person (mood) VALUES ($1) RETURNING mood";
    for round in 0..4 {
        for _ in 0..3 {
            let before = count(server, "person").await;
            db.query_one(sql, &[&Label("sad")])
                .await
                .unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(count(server, "person").await, before + 1, "round {round}");
        }
        server.execute(MAKE_ANEW).await.unwrap();
        if round % 2 == 1 {
            // In a transaction it has failed by the time that it is known, and is told so; run again it fits.
            let before = count(server, "person").await;
            db.retrying(async |tx| tx.query_one(sql, &[&Label("ok")]).await)
                .await
                .unwrap_or_else(|error| panic!("round {round}, in a transaction: {error}"));
            assert_eq!(count(server, "person").await, before + 1, "round {round}, in a transaction");
            server.execute(MAKE_ANEW).await.unwrap();
        }
    }
}

/// A column that was plain becomes an enum, under a statement that is known to be plain.
async fn assert_a_plain_column_may_become_an_enum(db: &Database, server: &TestDatabase) {
    server
        .execute(
            "CREATE TABLE task (id serial PRIMARY KEY, state text DEFAULT 'open'); \
             CREATE TYPE state AS ENUM ('open', 'done')",
        )
        .await
        .unwrap();
    let sql = "INSERT INTO task (state) VALUES ($1) RETURNING state";
    for _ in 0..3 {
        db.query_one("INSERT INTO task DEFAULT VALUES RETURNING state", &[]).await.unwrap();
        db.query_one(sql, &[&"open"]).await.unwrap();
    }
    server
        .execute(
            "ALTER TABLE task ALTER COLUMN state DROP DEFAULT, ALTER COLUMN state TYPE state USING state::state, \
             ALTER COLUMN state SET DEFAULT 'open'",
        )
        .await
        .unwrap();
    for _ in 0..6 {
        let before = count(server, "task").await;
        let answer = db.query_one("INSERT INTO task DEFAULT VALUES RETURNING state", &[]).await;
        let after = count(server, "task").await;
        match answer {
            Ok(_) => assert_eq!(after, before + 1),
            // It cannot be undone any more when the type turns out to be unknown; but it is not done again either.
            Err(error) => match error.outcome() {
                Outcome::Committed => assert_eq!(after, before + 1, "{error}"),
                Outcome::Unknown => assert!(after <= before + 1, "{error}"),
                _ => assert_eq!(after, before, "{error}"),
            },
        }
    }
    let row = db.query_one("INSERT INTO task DEFAULT VALUES RETURNING state", &[]).await.unwrap();
    assert_eq!(row.get::<_, Opaque>(0).0, b"open");
    // The parameter is of another type now; the program's own is not.
    let error = db.query_one(sql, &[&"open"]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Conversion, "{error}");
}

async fn through_a_transaction_pooler_each_insert_stores_one_row(version: PgBouncerVersion) {
    let server = test_server::database_from("enums", TYPES).await.unwrap();
    let bouncer = pooler(version, &server).await;
    let db = through(&bouncer, &server).await;
    assert_each_runs_once(&db, &server).await;
    assert_eq!(db.pool_status().closed, 0, "no connection had to be thrown away for it");
}

async fn through_a_transaction_pooler_a_type_may_be_made_anew(version: PgBouncerVersion) {
    let server = test_server::database_from("enums", TYPES).await.unwrap();
    let bouncer = pooler(version, &server).await;
    let db = through(&bouncer, &server).await;
    assert_a_type_may_be_made_anew(&db, &server).await;
    assert_a_parameter_may_be_made_anew(&db, &server).await;
}

async fn through_a_transaction_pooler_a_plain_column_may_become_an_enum(version: PgBouncerVersion) {
    let server = test_server::database_from("enums", TYPES).await.unwrap();
    let bouncer = pooler(version, &server).await;
    let db = through(&bouncer, &server).await;
    assert_a_plain_column_may_become_an_enum(&db, &server).await;
}

#[tokio::test]
async fn directly_each_insert_stores_one_row() {
    let server = test_server::database_from("enums", TYPES).await.unwrap();
    let db = Database::connect(settings_for(&server).await).await.unwrap();
    assert_each_runs_once(&db, &server).await;
    assert_a_type_may_be_made_anew(&db, &server).await;
    assert_a_parameter_may_be_made_anew(&db, &server).await;
    assert_a_plain_column_may_become_an_enum(&db, &server).await;
}

plimsoll_embedded::on_each_pgbouncer!(
    through_a_transaction_pooler_each_insert_stores_one_row,
    through_a_transaction_pooler_a_type_may_be_made_anew,
    through_a_transaction_pooler_a_plain_column_may_become_an_enum,
);
