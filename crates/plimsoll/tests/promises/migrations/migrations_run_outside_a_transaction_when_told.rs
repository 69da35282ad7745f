//! A file that says `-- plimsoll: no transaction` runs statement by statement, and the history never calls it done
//! before it is.

use super::schema::{fresh, one, until};
use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::{Database, Fault, Settings};
use std::time::Duration;

type Files = &'static [(&'static str, &'static str)];

const TABLE: (&str, &str) = ("001_t.sql", "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)");

fn running(what: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
         AND query ILIKE '%{what}%' AND pid <> pg_backend_pid()"
    )
}

const VALID: &str = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('t_id')";

#[tokio::test]
async fn an_index_is_built_concurrently_and_nothing_of_the_session_stays() {
    let (database, db) = fresh().await;
    let inside: Files = &[TABLE, ("002_i.sql", "CREATE INDEX CONCURRENTLY t_id ON t (id)")];
    let said = db.migrate(&Migrations::embedded(inside)).await.unwrap_err().to_string();
    assert!(said.contains("002_i.sql line 1") && said.contains("-- plimsoll: no transaction"), "{said}");

    let outside: Files = &[
        TABLE,
        ("002_i.sql", "-- plimsoll: no transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id);\nVACUUM t;"),
    ];
    let files = Migrations::embedded(outside);
    assert_eq!(db.migrate(&files).await.unwrap().applied.len(), 2);
    assert_eq!(one(&database, VALID).await, "true");
    assert_eq!(one(&database, "SELECT string_agg(state, ',') FROM plimsoll_migrations").await, "done,done");
    assert!(db.schema_is_current(&files).await.unwrap());
    for _ in 0..5 {
        let row =
            db.query_one("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')", &[]);
        let row = row.await.unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("30s", "5s"));
    }
}

#[tokio::test]
async fn one_that_was_broken_off_is_reported_and_run_again_only_when_told() {
    let (database, db) = fresh().await;
    let slow: Files = &[
        TABLE,
        (
            "002_i.sql",
            "-- plimsoll: no transaction\nCREATE TABLE IF NOT EXISTS kept (id int);\nSELECT pg_sleep(60)",
        ),
    ];
    let task = tokio::spawn({
        let db = db.clone();
        async move { db.migrate(&Migrations::embedded(slow)).await }
    });
    until(&database, &running("pg_sleep(60)"), "1").await;
    assert_eq!(one(&database, "SELECT state FROM plimsoll_migrations WHERE version = 2").await, "started");
    task.abort();
    until(&database, &running("pg_sleep(60)"), "0").await;

    let quick = Migrations::embedded(&[
        TABLE,
        ("002_i.sql", "-- plimsoll: no transaction\nCREATE TABLE IF NOT EXISTS kept (id int);\nSELECT 1"),
    ]);
    assert!(!db.schema_is_current(&quick).await.unwrap());
    assert_eq!(db.schema_version().await.unwrap(), Some(1));
    let error = db.migrate(&quick).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Migration);
    let said = error.to_string();
    for part in ["002_i.sql was begun at 20", "never finished", "rerun_started(true)"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let report = db.migrate_with(&quick, MigrateOptions::default().rerun_started(true)).await.unwrap();
    assert_eq!(report.applied[0].version, 2);
    assert!(db.schema_is_current(&quick).await.unwrap());
}

#[tokio::test]
async fn an_index_that_was_broken_off_is_not_taken_for_a_finished_one() {
    let (database, db) = fresh().await;
    let files = Migrations::embedded(&[
        TABLE,
        (
            "002_i.sql",
            "-- plimsoll: no transaction\nCREATE TABLE IF NOT EXISTS kept (id int);\n\
             CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_id ON t (id);",
        ),
    ]);
    db.migrate(&Migrations::embedded(&[TABLE])).await.unwrap();
    database.execute("INSERT INTO t VALUES (2)").await.unwrap();

    let error = db.migrate(&files).await.unwrap_err();
    let said = error.to_string();
    assert_eq!(error.sqlstate().unwrap().code(), "23505", "{said}");
    assert!(said.contains("statement 2 (line 3)") && said.contains("its first 1 statements stay"), "{said}");
    assert_eq!(one(&database, VALID).await, "false");

    database.execute("DELETE FROM t").await.unwrap();
    let said = db.migrate(&files).await.unwrap_err().to_string();
    assert!(said.contains("never finished"), "{said}");
    assert_eq!(one(&database, VALID).await, "false");
    db.migrate_with(&files, MigrateOptions::default().rerun_started(true)).await.unwrap();
    assert_eq!(one(&database, VALID).await, "true");
}

/// Whoever waits for the migration lock must not hold a snapshot, or builder and waiter would wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_waits_does_not_hold_up_the_index_that_it_waits_for() {
    let (database, db) = fresh().await;
    static FILES: Migrations = Migrations::embedded(&[
        TABLE,
        ("002_i.sql", "-- plimsoll: no transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id)"),
    ]);
    db.migrate(&Migrations::embedded(&[TABLE])).await.unwrap();
    let other = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let old = other.begin().await.unwrap();
    old.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap();

    let builder = tokio::spawn({
        let db = db.clone();
        async move { db.migrate(&FILES).await }
    });
    until(&database, &running("CREATE INDEX CONCURRENTLY"), "1").await;
    let second = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let mut lent = 0;
    let waiter = tokio::spawn({
        let second = second.clone();
        async move { second.migrate(&FILES).await }
    });
    while lent < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        lent = second.pool_status().acquired;
        assert!(!waiter.is_finished() && !builder.is_finished());
    }
    old.commit().await.unwrap();
    let both = async { (builder.await.unwrap(), waiter.await.unwrap()) };
    let (built, waited) = tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert_eq!(built.unwrap().applied.len(), 1);
    assert_eq!(waited.unwrap().skipped, [2]);
}

#[tokio::test]
async fn a_pool_of_one_is_refused_before_anything_runs() {
    let (database, _) = fresh().await;
    let settings = Settings::from_url(database.url()).unwrap().pool_min(0).pool_max(1).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let files = Migrations::embedded(&[TABLE, ("002_v.sql", "-- plimsoll: no transaction\nVACUUM t")]);
    let said = db.migrate(&files).await.unwrap_err().to_string();
    assert!(said.contains("002_v.sql") && said.contains("raise pool_max to 2"), "{said}");
    assert_eq!(one(&database, "SELECT to_regclass('t') IS NULL").await, "true");
    // Files in transactions need no second connection.
    assert_eq!(db.migrate(&Migrations::embedded(&[TABLE])).await.unwrap().applied.len(), 1);
}
