//! What was applied is what is in the history: a file that was changed, came late, shares a number or ends its own
//! transaction is refused before anything runs; an older program leaves a newer schema alone.

use super::schema::fresh;
use plimsoll::event::Event;
use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::{Database, Fault, Outcome, Phase};
use plimsoll_embedded::test_server::TestDatabase;

type Files = &'static [(&'static str, &'static str)];

const ONE: (&str, &str) = ("001_a.sql", "CREATE TABLE a (id int);\n");
const TWO: (&str, &str) = ("002_b.sql", "CREATE TABLE b (id int);\n");
const THREE: (&str, &str) = ("003_c.sql", "CREATE TABLE c (id int);\n");

async fn tables(database: &TestDatabase) -> Vec<String> {
    let rows = database
        .execute(
            "SELECT table_name FROM information_schema.tables \
             WHERE table_schema = 'public' AND table_name <> 'plimsoll_migrations' ORDER BY 1",
        )
        .await
        .unwrap();
    rows.iter().map(|row| row["table_name"].clone()).collect()
}

/// Migrates, and wants to be refused with nothing done.
async fn refused(database: &TestDatabase, db: &Database, files: Files) -> String {
    let before = tables(database).await;
    let error = db.migrate(&Migrations::embedded(files)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Migration, "{error}");
    assert_eq!(error.phase(), Phase::Migrate);
    assert_eq!(error.outcome(), Outcome::NotStarted);
    assert_eq!(tables(database).await, before, "nothing ran");
    error.to_string()
}

#[tokio::test]
async fn a_changed_text_is_refused_and_other_line_ends_are_not() {
    let (database, db) = fresh().await;
    db.migrate(&Migrations::embedded(&[ONE])).await.unwrap();

    let windows = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int);\r\n"), TWO]);
    let report = db.migrate(&windows).await.unwrap();
    assert_eq!((report.applied.len(), report.already), (1, 1));

    let changed: Files = &[("001_a.sql", "CREATE TABLE a (id bigint);\n"), TWO, THREE];
    let said = refused(&database, &db, changed).await;
    for part in
        ["001_a.sql was changed after it was applied at 20", " UTC by ", "into a new one", "PL-MIG-01"]
    {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert!(!db.schema_is_current(&Migrations::embedded(changed)).await.unwrap());
}

#[tokio::test]
async fn a_file_that_comes_late_is_refused_unless_allowed() {
    let (database, db) = fresh().await;
    db.migrate(&Migrations::embedded(&[ONE, THREE])).await.unwrap();
    let said = refused(&database, &db, &[ONE, TWO, THREE]).await;
    assert!(said.contains("002_b.sql comes too late: version 3"), "{said}");
    let options = MigrateOptions::default().out_of_order(true);
    let report = db.migrate_with(&Migrations::embedded(&[ONE, TWO, THREE]), options).await.unwrap();
    assert_eq!(report.applied[0].version, 2);
    assert_eq!(tables(&database).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn files_that_contradict_themselves_are_refused_all_at_once() {
    let (database, db) = fresh().await;
    let said = refused(
        &database,
        &db,
        &[
            ("036_a.sql", "CREATE TABLE a (id int)"),
            ("036a_b.sql", "CREATE TABLE b (id int)"),
            ("36_c.sql", "CREATE TABLE c (id int)"),
            ("037_d.sql", "CREATE TABLE d (id int);\nCOMMIT;\nCREATE TABLE e (id int)"),
        ],
    )
    .await;
    for part in ["3 problems", "\"036a\" is not a version", "same version 36", "037_d.sql line 2"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

#[tokio::test]
async fn an_older_program_leaves_a_newer_schema_alone() {
    let (database, db) = fresh().await;
    let (old, new) = (Migrations::embedded(&[ONE]), Migrations::embedded(&[ONE, TWO]));
    db.migrate(&new).await.unwrap();
    let mut events = db.events();
    let report = db.migrate(&old).await.unwrap();
    assert_eq!((report.unknown, report.applied.len()), (vec![2], 0));
    while events.recv().await.unwrap() != (Event::SchemaAhead { version: 2, unknown: 1 }) {}
    assert!(db.schema_is_current(&old).await.unwrap());
    assert_eq!(db.schema_version().await.unwrap(), Some(2));
    assert_eq!(tables(&database).await, ["a", "b"]);
}

#[tokio::test]
async fn a_schema_without_a_history_is_not_taken_for_migrated() {
    let (database, db) = fresh().await;
    database.execute("CREATE TABLE a (id int)").await.unwrap();
    assert_eq!(db.schema_version().await.unwrap(), None);
    let files = Migrations::embedded(&[ONE, TWO]);

    let said = db.migrate(&files).await.unwrap_err().to_string();
    assert!(said.contains("already exists") && said.contains("baseline(version)"), "{said}");
    assert_eq!(tables(&database).await, ["a"]);

    let options = MigrateOptions::default().baseline(1);
    let report = db.migrate_with(&files, options.clone()).await.unwrap();
    assert_eq!((report.baselined, report.applied.len()), (vec![1], 1));
    assert!(db.schema_is_current(&files).await.unwrap());

    // Left in the code, it does no harm on an empty database.
    let (empty, db) = fresh().await;
    let report = db.migrate_with(&files, options).await.unwrap();
    assert_eq!((report.baselined.len(), report.applied.len()), (0, 2));
    assert_eq!(tables(&empty).await, ["a", "b"]);
}

#[tokio::test]
async fn a_folder_is_read_by_number_and_a_missing_one_is_no_crash() {
    let (database, db) = fresh().await;
    let folder = tempfile::tempdir().unwrap();
    for (file, sql) in [
        ("10_later.sql", "CREATE TABLE z AS SELECT * FROM a"),
        ("9_first.sql", "CREATE TABLE a (id int)"),
        ("README.md", "not a migration"),
    ] {
        std::fs::write(folder.path().join(file), sql).unwrap();
    }
    let report = db.migrate(&Migrations::from_folder(folder.path())).await.unwrap();
    let order: Vec<_> = report.applied.iter().map(|applied| applied.file.as_str()).collect();
    assert_eq!(order, ["9_first.sql", "10_later.sql"]);
    assert_eq!(tables(&database).await, ["a", "z"]);

    let missing = Migrations::from_folder(folder.path().join("gone"));
    assert!(missing.missing().is_some());
    assert_eq!(db.migrate(&missing).await.unwrap().applied.len(), 0);
    assert!(
        !db.schema_is_current(&missing).await.unwrap(),
        "what could not be found is not known to be there"
    );
}
