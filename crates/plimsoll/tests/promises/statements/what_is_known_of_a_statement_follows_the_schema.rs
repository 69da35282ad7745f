//! What was prepared, and the types that were learned, follow the schema: a change by this program at once, one by another
//! within seconds, and whatever has been seen after the expiry. Where names mean something else (another search path,
//! another temporary table) the same text is another statement.

use crate::server;
use bytes::BytesMut;
use plimsoll::settings::Limit;
use plimsoll::{Database, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// A time that fits both kinds of column, and the hour that is to be read from each.
const AT: Duration = Duration::from_secs(12 * 3600);
const INSERT: &str = "INSERT INTO reading (at) VALUES ($1)";
/// In this zone the same digits are another time.
const ZONE: &str = "Asia/Kathmandu";

async fn readings() -> TestDatabase {
    let db =
        test_server::database_from("readings", "CREATE TABLE reading (at timestamp, n int)").await.unwrap();
    let zone = format!("ALTER DATABASE {} SET TimeZone = '{ZONE}'", db.name());
    db.execute(&zone).await.unwrap();
    db
}

/// Inserts until what is stored is right, and says how many were not.
async fn wrong_until_right(pool: &Database, db: &TestDatabase) -> usize {
    let wrong = "SELECT count(*) FROM reading WHERE at <> '1970-01-01 12:00:00+00'";
    let mut inserted = 0;
    server::until("the new type is known", server::PATIENCE, async || {
        let before = server::text(db, wrong).await;
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
        inserted += 1;
        server::text(db, wrong).await == before
    })
    .await;
    server::text(db, wrong).await.parse().unwrap()
}

const TO_TZ: &str = "ALTER TABLE reading ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC'";

#[tokio::test]
async fn a_change_by_another_program_is_seen_within_seconds() {
    let db = readings().await;
    let pool = server::database(&db).await;
    for _ in 0..3 {
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    // The session's statistics are told when it ends, at the latest.
    let other = server::bare(&db.url()).await;
    other.batch_execute(TO_TZ).await.unwrap();
    drop(other);
    let _in_the_window = wrong_until_right(&pool, &db).await;
    // From then on nothing is wrong any more.
    for _ in 0..5 {
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    let right = "SELECT count(*) >= 6 FROM reading WHERE at = '1970-01-01 12:00:00+00'";
    assert_eq!(server::text(&db, right).await, "t");
}

async fn a_change_is_seen_through_a_pooler(version: PgBouncerVersion) {
    let db = readings().await;
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url(db.name()))).await.unwrap();
    for _ in 0..3 {
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    let other = server::bare(&db.url()).await;
    other.batch_execute(TO_TZ).await.unwrap();
    drop(other);
    wrong_until_right(&pool, &db).await;
}
plimsoll_embedded::on_each_pgbouncer!(a_change_is_seen_through_a_pooler);

#[tokio::test]
async fn a_change_by_this_program_is_known_at_once() {
    let db = readings().await;
    let pool = Database::connect(server::settings_for(&db).await.heartbeat(Limit::Off)).await.unwrap();
    let leases = futures_util::future::join_all((0..3).map(|_| pool.acquire())).await;
    for lease in &leases {
        for _ in 0..2 {
            lease.as_ref().unwrap().execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
        }
    }
    drop(leases);
    pool.execute(TO_TZ, &[]).await.unwrap();
    let leases = futures_util::future::join_all((0..3).map(|_| pool.acquire())).await;
    for lease in &leases {
        lease.as_ref().unwrap().execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    let wrong = "SELECT count(*) FROM reading WHERE at <> '1970-01-01 12:00:00+00'";
    assert_eq!(server::text(&db, wrong).await, "0");

    // In a transaction it holds for that alone until it is committed, and not at all if it is not.
    let back = "ALTER TABLE reading ALTER at TYPE timestamp USING at AT TIME ZONE 'UTC'";
    let tx = pool.begin().await.unwrap();
    tx.batch_execute(back).await.unwrap();
    tx.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    let inside = tx.query_one("SELECT count(*) FROM reading WHERE at <> '1970-01-01 12:00:00'", &[]).await;
    assert_eq!(inside.unwrap().get::<_, i64>(0), 0);
    tx.rollback().await;
    for _ in 0..5 {
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    assert_eq!(server::text(&db, wrong).await, "0");
}

#[tokio::test]
async fn whatever_has_been_seen_it_expires() {
    let db = readings().await;
    let settings =
        server::settings_for(&db).await.heartbeat(Limit::Off).statement_expiry(Duration::from_millis(100));
    let pool = Database::connect(settings).await.unwrap();
    for _ in 0..3 {
        pool.execute(INSERT, &[&(SystemTime::UNIX_EPOCH + AT)]).await.unwrap();
    }
    db.execute(TO_TZ).await.unwrap();
    wrong_until_right(&pool, &db).await;
}

#[tokio::test]
async fn a_parameter_that_no_longer_fits_is_converted_anew_and_nothing_fails() {
    let db = readings().await;
    let pool = Database::connect(server::settings_for(&db).await.heartbeat(Limit::Off)).await.unwrap();
    let insert = "INSERT INTO reading (n) VALUES ($1)";
    for _ in 0..3 {
        pool.execute(insert, &[&1i32]).await.unwrap();
    }
    db.execute("ALTER TABLE reading ALTER n TYPE bigint").await.unwrap();
    let big = i64::MAX;
    pool.transaction(async |tx: Transaction| tx.execute(insert, &[&big]).await).await.unwrap();
    for _ in 0..5 {
        pool.execute(insert, &[&big]).await.unwrap();
    }
    pool.named("n").read_only().query("SELECT n FROM reading WHERE n = $1", &[&big]).await.unwrap();
    let count = format!("SELECT count(*) FROM reading WHERE n = {big}");
    assert_eq!(server::text(&db, &count).await, "6");
    assert_eq!(pool.retry_status().retries, 0, "no retry was spent on it");
    let error = pool.execute(insert, &[&"text"]).await.unwrap_err();
    assert_eq!(error.fault(), plimsoll::Fault::Conversion, "{error}");
}

/// A label of an enum, taken only for one that has as many as the program knows: as derived code does.
#[derive(Debug)]
struct Mood<const LABELS: usize>(&'static str);

impl<const LABELS: usize> ToSql for Mood<LABELS> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Enum(labels) if labels.len() == LABELS)
    }

    to_sql_checked!();
}

#[tokio::test]
async fn an_enum_may_gain_a_label() {
    let db = test_server::database_from(
        "moods",
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE person (mood mood)",
    )
    .await
    .unwrap();
    let pool = Database::connect(server::settings_for(&db).await.heartbeat(Limit::Off)).await.unwrap();
    let texts = ["INSERT INTO person VALUES ($1)", "INSERT INTO person SELECT $1::mood"];
    for sql in texts {
        for _ in 0..3 {
            pool.execute(sql, &[&Mood::<2>("ok")]).await.unwrap();
        }
    }
    db.execute("ALTER TYPE mood ADD VALUE 'happy'").await.unwrap();
    for sql in texts {
        pool.execute(sql, &[&Mood::<3>("happy")]).await.unwrap();
        pool.transaction(async |tx: Transaction| tx.execute(sql, &[&Mood::<3>("happy")]).await)
            .await
            .unwrap();
    }
    assert_eq!(server::text(&db, "SELECT count(*) FROM person WHERE mood = 'happy'").await, "4");
}

#[tokio::test]
async fn under_another_search_path_the_same_text_is_another_statement() {
    let setup = "CREATE SCHEMA a; CREATE SCHEMA b;
        CREATE TYPE a.kind AS ENUM ('x'); CREATE TYPE b.kind AS ENUM ('x', 'y');
        CREATE TABLE a.t (kind a.kind, n int, at timestamp); CREATE TABLE b.t (kind b.kind, n text, at timestamptz)";
    let db = test_server::database_from("schemas", setup).await.unwrap();
    let pool = Database::connect(server::settings_for(&db).await.pool_max(2)).await.unwrap();
    let insert = "INSERT INTO t (kind, n) VALUES ($1::text::kind, $2) RETURNING kind::text, n";
    for round in 0..12 {
        let schema = if round % 2 == 0 { "a" } else { "b" };
        let work = async |tx: Transaction| {
            match round % 3 {
                0 => tx.batch_execute(&format!("SET LOCAL search_path = {schema}")).await?,
                1 => {
                    let set = "SELECT set_config('search_path', $1, true)";
                    tx.query(set, &[&schema]).await.map(drop)?;
                }
                _ => tx.batch_execute(&format!("SELECT set_config('search_path', '{schema}', true)")).await?,
            }
            for _ in 0..2 {
                match schema {
                    "a" => tx.query_one(insert, &[&"x", &round]).await?,
                    _ => tx.query_one(insert, &[&"y", &round.to_string()]).await?,
                };
            }
            Ok(())
        };
        pool.transaction(work).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let lease = pool.acquire().await.unwrap();
        lease.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
        match schema {
            "a" => lease.query_one(insert, &[&"x", &round]).await.unwrap(),
            _ => lease.query_one(insert, &[&"y", &round.to_string()]).await.unwrap(),
        };
    }
    assert_eq!(server::text(&db, "SELECT count(*) FROM a.t").await, "18");
    assert_eq!(server::text(&db, "SELECT count(*) FROM b.t WHERE kind = 'y'").await, "18");
    assert_eq!(pool.retry_status().retries, 0);
}

#[tokio::test]
async fn temporary_tables_of_one_name_are_not_taken_for_each_other() {
    let db = readings().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(2)).await.unwrap();
    let insert = "INSERT INTO scratch VALUES ($1) RETURNING v::text";
    for round in 0..6 {
        let lease = pool.acquire().await.unwrap();
        let other = pool.acquire().await.unwrap();
        lease.batch_execute("CREATE TEMP TABLE scratch (v timestamp)").await.unwrap();
        other.batch_execute("CREATE TEMP TABLE scratch (v timestamptz)").await.unwrap();
        for _ in 0..3 {
            let at = SystemTime::UNIX_EPOCH + AT;
            let plain = lease.query_one(insert, &[&at]).await.unwrap();
            let zoned = other.query_one(insert, &[&at]).await.unwrap();
            assert_eq!(plain.get::<_, &str>(0), "1970-01-01 12:00:00", "round {round}");
            assert_eq!(zoned.get::<_, &str>(0), "1970-01-01 17:30:00+05:30", "round {round}");
        }
    }
}

#[tokio::test]
async fn names_that_were_taken_away_out_of_sight_cost_one_connection_and_no_call() {
    let db = readings().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    let texts = ["SELECT 1", "SELECT 2", "SELECT n FROM reading"];
    let lease = pool.acquire().await.unwrap();
    for sql in texts {
        for _ in 0..3 {
            lease.query(sql, &[]).await.unwrap();
        }
    }
    lease.batch_execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$").await.unwrap();
    for sql in texts {
        lease.query(sql, &[]).await.unwrap();
    }
    drop(lease);
    for sql in texts {
        pool.query(sql, &[]).await.unwrap();
        pool.transaction(async |tx: Transaction| tx.query(sql, &[]).await).await.unwrap();
    }
}
