//! A fresh deployment makes its schema on the first connection and says so in the log; any other stays untouched; and
//! what goes wrong is told and never stops the start.

use super::schema::fresh;
use crate::log::Log;
use plimsoll::event::Event;
use plimsoll::migrate::{Initialisation, Migrations};
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Level;

static MIGRATIONS: Migrations = plimsoll::migrations!("tests/migrations/001_initial_schema.sql");

async fn list(database: &TestDatabase, sql: &str) -> Vec<String> {
    let rows = database.execute(sql).await.unwrap();
    rows.into_iter().map(|row| row["it"].clone()).collect()
}

const TABLES: &str = "SELECT table_name AS it FROM information_schema.tables WHERE table_schema = 'public' \
    AND table_type = 'BASE TABLE' AND table_name <> 'plimsoll_migrations' ORDER BY 1";
const VIEWS: &str =
    "SELECT table_name AS it FROM information_schema.views WHERE table_schema = 'public' ORDER BY 1";
const INDEXES: &str = "SELECT indexrelid::regclass::text AS it FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
    WHERE relnamespace = 'public'::regnamespace \
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1";
const TRIGGERS: &str = "SELECT tgname AS it FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1";

#[tokio::test]
async fn a_fresh_database_gets_the_whole_schema_and_the_log_says_so() {
    let (database, db) = fresh().await;
    let (log, _guard) = Log::start();
    let mut events = db.events();

    let done = db.auto_initialize(&MIGRATIONS, "exploits").await;
    assert!(matches!(&done, Initialisation::Initialised(report) if report.applied.len() == 1), "{done:?}");
    assert!(
        log.has(Level::INFO, "Initializing database schema from 001_initial_schema.sql"),
        "{}",
        log.text()
    );
    assert!(log.has(Level::INFO, "Database schema initialized successfully"), "{}", log.text());
    while events.recv().await.unwrap() != (Event::Migrated { applied: 1 }) {}

    assert_eq!(
        list(&database, TABLES).await,
        [
            "alert_preferences",
            "alerts_sent",
            "community_submissions",
            "exploits",
            "payments",
            "sources",
            "subscription_changes",
            "user_reputation",
            "users",
        ]
    );
    assert_eq!(
        list(&database, VIEWS).await,
        ["v_recent_exploits", "v_source_health", "v_stats_24h", "v_user_stats"]
    );
    assert_eq!(list(&database, INDEXES).await.len(), 16);
    assert_eq!(list(&database, TRIGGERS).await.len(), 5);
    // Every trigger finds its column.
    for insert in [
        "INSERT INTO sources (name, url) VALUES ('a', 'b')",
        "INSERT INTO users (email) VALUES ('a@example.org')",
        "INSERT INTO exploits (tx_hash, chain, protocol, happened_at) VALUES ('1', 'c', 'p', now())",
        "INSERT INTO alert_preferences (user_id) SELECT id FROM users",
        "INSERT INTO community_submissions (user_id, evidence) SELECT id, 'e' FROM users",
    ] {
        let table = insert.split(' ').nth(2).unwrap();
        database.execute(insert).await.unwrap();
        let rows = database
            .execute(&format!(
                "UPDATE {table} SET updated_at = 'epoch' RETURNING (updated_at > 'epoch')::text AS it"
            ))
            .await
            .unwrap();
        assert_eq!(rows[0]["it"], "true", "{table}");
    }
    let began = Instant::now();
    while db.pool_status().checked_out > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "not every connection came back: {:?}",
            db.pool_status()
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_second_time_nothing_is_done() {
    let (database, db) = fresh().await;
    assert!(db.auto_initialize(&MIGRATIONS, "exploits").await.is_ready());
    database.execute("INSERT INTO sources (name, url) VALUES ('kept', 'x')").await.unwrap();
    let (log, _guard) = Log::start();
    let again = db.auto_initialize(&MIGRATIONS, "exploits").await;
    assert!(matches!(again, Initialisation::AlreadyThere));
    assert!(log.has(Level::DEBUG, "Database schema already initialized"), "{}", log.text());
    assert!(!log.text().contains("Initializing"), "{}", log.text());
    assert_eq!(list(&database, "SELECT name AS it FROM sources").await, ["kept"]);
}

#[tokio::test]
async fn an_existing_deployment_stays_untouched() {
    let (database, db) = fresh().await;
    database.execute("CREATE TABLE exploits (only_mine int)").await.unwrap();
    assert!(matches!(db.auto_initialize(&MIGRATIONS, "exploits").await, Initialisation::AlreadyThere));
    assert_eq!(list(&database, TABLES).await, ["exploits"]);
    assert_eq!(list(&database, "SELECT to_regclass('plimsoll_migrations') IS NULL AS it").await, ["t"]);
}

/// The first makes the sentinel, and the second takes long enough for the others to find that and nothing else.
static SLOW: Migrations = Migrations::embedded(&[
    ("001_sentinel.sql", "CREATE TABLE exploits (id int)"),
    ("002_slow.sql", "SELECT pg_sleep(0.3); CREATE TABLE second (id int)"),
]);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_instances_at_once_are_ready_only_with_the_whole_schema() {
    let database = test_server::database().await.unwrap();
    let mut instances = Vec::new();
    for _ in 0..10 {
        let settings = Settings::from_url(database.url()).unwrap().pool_min(0).pool_max(2);
        instances.push(Database::connect(settings).await.unwrap());
    }
    let begin = Arc::new(tokio::sync::Barrier::new(instances.len()));
    let tasks: Vec<_> = instances
        .into_iter()
        .enumerate()
        .map(|(n, db)| {
            let begin = Arc::clone(&begin);
            tokio::spawn(async move {
                begin.wait().await;
                // Some find no sentinel, and some find it there already.
                let sentinel = "SELECT to_regclass('exploits') IS NOT NULL";
                while n >= 5 && !db.query_one(sentinel, &[]).await.unwrap().get::<_, bool>(0) {}
                let done = db.auto_initialize(&SLOW, "exploits").await;
                assert!(done.is_ready(), "{done:?}");
                let row = db.query_one("SELECT to_regclass('second') IS NOT NULL", &[]).await.unwrap();
                assert!(row.get::<_, bool>(0), "called ready without its second table: {done:?}");
                match done {
                    Initialisation::Initialised(report) => report.applied.len(),
                    _ => 0,
                }
            })
        })
        .collect();
    let mut applied = 0;
    for task in tasks {
        applied += task.await.unwrap();
    }
    assert_eq!(applied, 2, "each file once");
}

#[tokio::test]
async fn a_schema_that_stopped_half_way_is_finished_and_not_called_ready() {
    let (database, db) = fresh().await;
    static HALF: Migrations = Migrations::embedded(&[
        ("001_sentinel.sql", "CREATE TABLE exploits (id int)"),
        ("002_second.sql", "CREATE TABLE second (id int); SELECT 1 / (SELECT count(*) FROM allowed)"),
    ]);
    database.execute("CREATE TABLE allowed (id int)").await.unwrap();
    for _ in 0..2 {
        let done = db.auto_initialize(&HALF, "exploits").await;
        let Initialisation::Failed(error) = &done else { panic!("{done:?}") };
        assert!(error.to_string().contains("002_second.sql"), "{error}");
    }
    database.execute("INSERT INTO allowed VALUES (1)").await.unwrap();
    let (log, _guard) = Log::start();
    let done = db.auto_initialize(&HALF, "exploits").await;
    assert!(matches!(&done, Initialisation::Initialised(report) if report.applied.len() == 1), "{done:?}");
    assert!(
        log.has(Level::INFO, "Database schema is not complete: 1 of 2 files are not applied yet"),
        "{}",
        log.text()
    );
    assert!(matches!(db.auto_initialize(&HALF, "exploits").await, Initialisation::AlreadyThere));
}

#[tokio::test]
async fn the_file_itself_may_run_any_number_of_times() {
    let (database, _db) = fresh().await;
    let sql = std::fs::read_to_string("tests/migrations/001_initial_schema.sql").unwrap();
    for _ in 0..3 {
        database.execute(&sql).await.unwrap();
    }
    assert_eq!(list(&database, INDEXES).await.len(), 16);
    assert_eq!(list(&database, TRIGGERS).await.len(), 5);
}

#[tokio::test]
async fn a_missing_file_is_a_warning_and_no_crash() {
    let (_database, db) = fresh().await;
    let (log, _guard) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("001_initial_schema.sql");
    let done = db.auto_initialize(&Migrations::from_folder(&path), "exploits").await;
    assert!(matches!(&done, Initialisation::FilesMissing(missing) if missing == &path), "{done:?}");
    assert!(!done.is_ready());
    assert!(log.has(Level::WARN, &format!("Schema file not found: {}", path.display())), "{}", log.text());

    std::fs::copy("tests/migrations/001_initial_schema.sql", &path).unwrap();
    assert!(db.auto_initialize(&Migrations::from_folder(&path), "exploits").await.is_ready());
}

#[tokio::test]
async fn a_failure_is_logged_and_the_program_goes_on() {
    let (database, db) = fresh().await;
    let (log, _guard) = Log::start();
    static BROKEN: Migrations =
        Migrations::embedded(&[("001_x.sql", "CREATE TABLE exploits (id int); SELECT 1 / 0")]);
    let done = db.auto_initialize(&BROKEN, "exploits").await;
    let Initialisation::Failed(error) = &done else { panic!("{done:?}") };
    assert!(error.to_string().contains("division by zero"), "{error}");
    let expected = format!("Schema initialization failed: {error}");
    assert!(log.has(Level::ERROR, &expected), "{}", log.text());
    assert_eq!(list(&database, TABLES).await, Vec::<String>::new());
    // The pool is as good as before, and the operator may act.
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    assert!(db.auto_initialize(&MIGRATIONS, "exploits").await.is_ready());
}

#[tokio::test]
async fn a_sentinel_that_no_file_makes_is_told() {
    let (_database, db) = fresh().await;
    let done = db.auto_initialize(&MIGRATIONS, "exploitz").await;
    let Initialisation::Failed(error) = &done else { panic!("{done:?}") };
    assert!(error.to_string().contains("public.exploitz still does not exist"), "{error}");
}
