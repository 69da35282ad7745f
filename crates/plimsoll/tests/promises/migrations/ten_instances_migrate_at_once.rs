//! However many instances start together, each migration is applied once, by one of them, and all end with the whole
//! schema.

use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::{Database, Fault, LockKey, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::process::Stdio;
use std::time::Duration;

/// None of these bears to be run twice, and each takes long enough to be met by the others.
static MIGRATIONS: Migrations = Migrations::embedded(&[
    (
        "001_ledger.sql",
        "CREATE TABLE ledger (entry text); SELECT pg_sleep(0.1); INSERT INTO ledger VALUES ('one')",
    ),
    (
        "002_second.sql",
        "INSERT INTO ledger VALUES ('two'); SELECT pg_sleep(0.05); CREATE TABLE second (id int)",
    ),
    (
        "003_index.sql",
        "-- plimsoll: no transaction\nCREATE INDEX CONCURRENTLY ledger_entry ON ledger (entry);\n\
         INSERT INTO ledger VALUES ('three')",
    ),
    ("004_last.sql", "INSERT INTO ledger VALUES ('four')"),
]);

/// How a child process is told where to migrate.
const URL: &str = "PLIMSOLL_TEST_MIGRATE_URL";

/// The test that the child runs, by its whole name.
const CHILD: &str = "migrations::ten_instances_migrate_at_once::one_instance_of_several";

async fn connect(url: impl Into<String>) -> Database {
    Database::connect(Settings::from_url(url.into()).unwrap().pool_min(0).pool_max(2)).await.unwrap()
}

async fn ledger(database: &TestDatabase) -> String {
    let sql = "SELECT string_agg(entry, ' ' ORDER BY entry) AS it FROM ledger";
    database.execute(sql).await.unwrap()[0]["it"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_instances_in_one_process_apply_each_file_once() {
    let database = test_server::database().await.unwrap();
    let mut instances = Vec::new();
    for _ in 0..10 {
        instances.push(connect(database.url()).await);
    }
    let tasks: Vec<_> =
        instances.into_iter().map(|db| tokio::spawn(async move { db.migrate(&MIGRATIONS).await })).collect();
    let mut applied = Vec::new();
    for task in tasks {
        let report = task.await.unwrap().unwrap();
        assert_eq!(report.applied.len() + report.skipped.len() + report.already, 4, "{report:?}");
        applied.extend(report.applied.into_iter().map(|applied| applied.version));
    }
    applied.sort_unstable();
    assert_eq!(applied, [1, 2, 3, 4]);
    assert_eq!(ledger(&database).await, "four one three two");
    let db = connect(database.url()).await;
    assert!(db.schema_is_current(&MIGRATIONS).await.unwrap());
}

#[tokio::test]
async fn three_processes_apply_each_file_once() {
    let database = test_server::database().await.unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", CHILD, "--nocapture"])
                .env(URL, database.url())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap()
        })
        .collect();
    let mut applied = 0;
    for child in children {
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let count = said.split("applied: ").nth(1).unwrap().split(';').next().unwrap();
        applied += count.parse::<usize>().unwrap();
    }
    assert_eq!(applied, 4);
    assert_eq!(ledger(&database).await, "four one three two");
}

#[tokio::test]
#[ignore = "a child process of three_processes_apply_each_file_once"]
async fn one_instance_of_several() {
    let url = std::env::var(URL).expect("this is run by another test");
    let db = connect(url).await;
    let report = db.migrate(&MIGRATIONS).await.unwrap();
    println!("applied: {};", report.applied.len());
    assert!(db.schema_is_current(&MIGRATIONS).await.unwrap());
    db.close().await;
}

#[tokio::test]
async fn whoever_waits_for_too_long_is_told_for_whom() {
    let database = test_server::database().await.unwrap();
    let url = database.url();
    let other = Settings::from_url(url.clone()).unwrap().application_name("the slow one");
    let other = Database::connect(other).await.unwrap();
    let holder = other.begin().await.unwrap();
    holder.advisory_lock(LockKey::from(("plimsoll migrations", "public"))).await.unwrap();

    let db = connect(url).await;
    let options = MigrateOptions::default().patience(Duration::from_millis(200));
    let error = db.migrate_with(&MIGRATIONS, options).await.unwrap_err();
    assert_eq!(error.fault(), Fault::LockTimeout);
    // With the place in the source from which it holds it.
    assert!(
        error.to_string().contains("application 'the_slow_one # ten_instances_migrate_at_once.rs:"),
        "{error}"
    );
    holder.rollback().await;
    assert_eq!(db.migrate(&MIGRATIONS).await.unwrap().applied.len(), 4);
}

#[tokio::test]
async fn schemas_of_one_database_are_migrated_apart() {
    let database = test_server::database().await.unwrap();
    database.execute("CREATE SCHEMA \"Tenant 1\"").await.unwrap();
    let tenant = Settings::from_url(database.url()).unwrap().options("-c search_path=\"Tenant\\ 1\"");
    let tenant = Database::connect(tenant).await.unwrap();
    let public = connect(database.url()).await;
    static FILES: Migrations = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int)")]);
    assert_eq!(tenant.migrate(&FILES).await.unwrap().applied.len(), 1);
    assert_eq!(public.schema_version().await.unwrap(), None);
    assert_eq!(public.migrate(&FILES).await.unwrap().applied.len(), 1);
    assert_eq!(tenant.schema_version().await.unwrap(), Some(1));
}
