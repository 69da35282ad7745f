//! Behind PgBouncer in transaction mode migrations keep their promises: one program at a time, whole files, no limit
//! on statements, and nothing left in sessions that belong to others.

use super::schema::one;
use plimsoll::migrate::Migrations;
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::Duration;

async fn bouncer(version: PgBouncerVersion, database: &TestDatabase) -> PgBouncer {
    let bouncer = PgBouncer::in_front_of(database).version(version).pool_mode(PoolMode::Transaction);
    bouncer.setting("default_pool_size", "4").start().await.unwrap()
}

fn settings(bouncer: &PgBouncer, database: &TestDatabase) -> Settings {
    let settings = Settings::from_url(bouncer.url(database.name())).unwrap();
    settings.pooler(PoolerMode::Transaction)
}

static MIGRATIONS: Migrations = Migrations::embedded(&[
    (
        "001_ledger.sql",
        "CREATE TABLE ledger (entry text); SELECT pg_sleep(0.1); INSERT INTO ledger VALUES ('one')",
    ),
    ("002_do.sql", "DO $$ BEGIN INSERT INTO ledger VALUES ('two'); END $$; SET LOCAL work_mem = '8MB'"),
    (
        "003_index.sql",
        "-- plimsoll: no transaction\nCREATE INDEX CONCURRENTLY ledger_entry ON ledger (entry);\n\
         INSERT INTO ledger VALUES ('three')",
    ),
]);

async fn five_instances_apply_each_file_once(version: PgBouncerVersion) {
    let database = test_server::database().await.unwrap();
    let bouncer = bouncer(version, &database).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        let db = Database::connect(settings(&bouncer, &database)).await.unwrap();
        tasks.push(tokio::spawn(async move { db.migrate(&MIGRATIONS).await }));
    }
    let mut applied = 0;
    for task in tasks {
        applied += task.await.unwrap().unwrap().applied.len();
    }
    assert_eq!(applied, 3);
    let entries = "SELECT string_agg(entry, ' ' ORDER BY entry) FROM ledger";
    assert_eq!(one(&database, entries).await, "one three two");
    let db = Database::connect(settings(&bouncer, &database)).await.unwrap();
    assert!(db.schema_is_current(&MIGRATIONS).await.unwrap());
}

async fn a_file_may_take_longer_than_a_statement_may(version: PgBouncerVersion) {
    let database = test_server::database().await.unwrap();
    let bouncer = bouncer(version, &database).await;
    let settings = settings(&bouncer, &database)
        .lock_timeout(Duration::from_millis(100))
        .deadline_margin(Duration::from_millis(50))
        .client_connection_check_interval(Duration::from_millis(100))
        .idle_in_transaction_session_timeout(Duration::from_millis(300))
        .statement_timeout(Duration::from_millis(300))
        .client_statement_timeout(Duration::from_millis(400))
        .transaction_timeout(Duration::from_millis(600));
    let db = Database::connect(settings).await.unwrap();
    let slow = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int); SELECT pg_sleep(0.8)")]);
    assert_eq!(db.migrate(&slow).await.unwrap().applied.len(), 1);
    let limit = db.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(limit.get::<_, &str>(0), "300ms");
}

async fn a_file_that_fails_leaves_nothing(version: PgBouncerVersion) {
    let database = test_server::database().await.unwrap();
    let bouncer = bouncer(version, &database).await;
    let db = Database::connect(settings(&bouncer, &database)).await.unwrap();
    let broken = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int);\nSELECT 1 / 0")]);
    let said = db.migrate(&broken).await.unwrap_err().to_string();
    assert!(said.contains("001_a.sql failed in statement 2 (line 2)") && said.contains("22012"), "{said}");
    assert_eq!(one(&database, "SELECT to_regclass('a') IS NULL").await, "true");
}

async fn what_would_be_left_to_a_stranger_is_refused_before_anything_runs(version: PgBouncerVersion) {
    let database = test_server::database().await.unwrap();
    let bouncer = bouncer(version, &database).await;
    let db = Database::connect(settings(&bouncer, &database)).await.unwrap();
    let files = Migrations::embedded(&[
        ("001_a.sql", "CREATE TABLE a (id int)"),
        ("002_b.sql", "CREATE TABLE b (id int);\nSET search_path = elsewhere"),
    ]);
    let said = db.migrate(&files).await.unwrap_err().to_string();
    assert!(said.contains("002_b.sql line 2") && said.contains("SET LOCAL"), "{said}");
    assert_eq!(one(&database, "SELECT to_regclass('a') IS NULL").await, "true");
}

plimsoll_embedded::on_each_pgbouncer!(
    a_file_may_take_longer_than_a_statement_may,
    a_file_that_fails_leaves_nothing,
    what_would_be_left_to_a_stranger_is_refused_before_anything_runs,
);
plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread")]
    five_instances_apply_each_file_once
);
