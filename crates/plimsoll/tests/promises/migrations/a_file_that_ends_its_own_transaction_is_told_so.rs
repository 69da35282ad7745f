//! A migration file that ends the transaction which was opened for it is refused before anything runs, where its text
//! shows it. Where the text does not show it, the server's answers do: such a file is never called whole, and never
//! said to have left nothing.

use super::schema::{exists, fresh, one};
use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Fault, Outcome, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PoolMode};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the history says of a version.
async fn state(database: &TestDatabase, version: i64) -> String {
    if !exists(database, "plimsoll_migrations").await {
        return String::new();
    }
    one(database, &format!("SELECT max(state) FROM plimsoll_migrations WHERE version = {version}")).await
}

/// Files in a folder, so that a test can make their text.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Migrations) {
    let folder = tempfile::tempdir().unwrap();
    for (file, sql) in files {
        std::fs::write(folder.path().join(file), sql).unwrap();
    }
    let migrations = Migrations::from_folder(folder.path());
    (folder, migrations)
}

#[tokio::test]
async fn every_spelling_is_refused_before_anything_runs() {
    let (database, db) = fresh().await;
    for end in [
        "COMMIT",
        "commit work",
        "END",
        "End Transaction",
        "ROLLBACK",
        "abort",
        "COMMIT AND CHAIN",
        "ROLLBACK WORK AND NO CHAIN",
        "ROLLBACK; BEGIN",
        "COMMIT; BEGIN",
        "BEGIN",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "PREPARE TRANSACTION 'x'",
        "PREPARE/**/TRANSACTION 'x'",
        "/* a /* b */ c */COMMIT/* d */",
        "-- why\nCOMMIT",
        "-- why\rCOMMIT",
        "-- why\r\n\tCOMMIT\t",
        ";;; COMMIT",
        "SELECT ';', $$ ; $$, $a$ $$ ; $a$, E'\\';', \";\" FROM (SELECT 1 AS \";\") AS s; COMMIT",
    ] {
        let sql = format!("CREATE TABLE first (id int);\n{end};\nCREATE TABLE second (id int)");
        let (_folder, files) = folder(&[("001_a.sql", "CREATE TABLE a (id int)"), ("002_b.sql", &sql)]);
        let error = db.migrate(&files).await.expect_err(end);
        assert_eq!(
            (error.fault(), error.outcome()),
            (Fault::Migration, Outcome::NotStarted),
            "{end}: {error}"
        );
        let said = error.to_string();
        for part in ["002_b.sql line ", "ends a transaction", "split", "-- plimsoll: no transaction"] {
            assert!(said.contains(part), "{part} is missing for {end}: {said}");
        }
        assert!(!exists(&database, "a").await && !exists(&database, "first").await, "{end}");
    }
}

#[tokio::test]
async fn what_only_looks_like_an_end_is_applied() {
    let (database, db) = fresh().await;
    let sql = "RESET ALL; SAVEPOINT a; ROLLBACK TO a;\n\
               SET LOCAL work_mem = '8MB'; SAVEPOINT a; CREATE TABLE gone (id int); ROLLBACK TO SAVEPOINT a; RELEASE a;\n\
               SAVEPOINT b; ROLLBACK WORK TO b;\n\
               CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;\n\
               CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;\n\
               CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';\n\
               PREPARE \"transaction\" AS SELECT 1; DEALLOCATE \"transaction\";\n\
               -- COMMIT;\n/* ; COMMIT; */ CREATE TABLE \"commit\" (\"end\" text DEFAULT '; COMMIT;')";
    let (_folder, files) = folder(&[("001_a.sql", sql)]);
    assert_eq!(db.migrate(&files).await.unwrap().applied.len(), 1);
    assert!(exists(&database, "\"commit\"").await && !exists(&database, "gone").await);
    assert!(db.schema_is_current(&files).await.unwrap());
}

#[tokio::test]
async fn a_procedure_that_commits_fails_inside_and_the_error_says_where_it_belongs() {
    let (database, db) = fresh().await;
    let make = "CREATE TABLE t (id int); CREATE PROCEDURE p() LANGUAGE plpgsql AS \
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2); END $$";
    for call in
        ["CALL p()", "DO $$ BEGIN INSERT INTO t VALUES (3); COMMIT; END $$", "DO $$ BEGIN CALL p(); END $$"]
    {
        let (_folder, files) = folder(&[("001_t.sql", make), ("002_call.sql", call)]);
        let error = db.migrate(&files).await.unwrap_err();
        let said = error.to_string();
        assert_eq!(error.outcome(), Outcome::RolledBack, "{said}");
        for part in ["2D000", "nothing of this file was kept", "-- plimsoll: no transaction"] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
        assert_eq!(one(&database, "SELECT count(*) FROM t").await, "0", "{call}");
    }
    let outside = "-- plimsoll: no transaction\nCALL p()";
    let (_folder, files) = folder(&[("001_t.sql", make), ("002_call.sql", outside)]);
    assert_eq!(db.migrate(&files).await.unwrap().applied.len(), 1);
    assert_eq!(one(&database, "SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn what_a_procedure_had_committed_outside_before_it_failed_is_told() {
    let make = "CREATE TABLE t (id int); CREATE PROCEDURE p() LANGUAGE plpgsql AS \
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; RAISE 'no more'; END $$";
    for call in ["CALL p()", "DO $$ BEGIN CALL p(); END $$"] {
        let (database, db) = fresh().await;
        let outside = format!("-- plimsoll: no transaction\n{call}");
        let (_folder, files) = folder(&[("001_t.sql", make), ("002_call.sql", &outside)]);
        let error = db.migrate(&files).await.unwrap_err();
        let said = error.to_string();
        assert_eq!(one(&database, "SELECT count(*) FROM t").await, "1", "{call}");
        assert_eq!(error.outcome(), Outcome::Unknown, "{said}");
        assert!(said.contains("and what the failed one had committed by itself"), "{said}");
    }
    // What is undone as a whole is called so.
    let (_database, db) = fresh().await;
    let (_folder, files) =
        folder(&[("001_a.sql", "-- plimsoll: no transaction\nCREATE TABLE a AS SELECT 1/0")]);
    let error = db.migrate(&files).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    let two = "-- plimsoll: no transaction\nCREATE TABLE a (id int);\nCREATE TABLE b AS SELECT 1/0";
    let (_folder, files) = folder(&[("001_a.sql", two)]);
    let error = db.migrate_with(&files, MigrateOptions::default().rerun_started(true)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
}

/// Stands for whatever a reading of the text does not see: on the way to the server it puts one statement in the place
/// of another of the same length.
async fn exchanging(port: u16, what: &'static str, by: &str) -> u16 {
    let by = format!("{by:<width$}", width = what.len());
    assert_eq!(by.len(), what.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(relay(client, server, what, by.clone()));
        }
    });
    own
}

async fn relay(client: TcpStream, server: TcpStream, what: &'static str, by: String) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ended = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 65_536];
    loop {
        let read = from_client.read(&mut buffer).await?;
        if read == 0 {
            return to_server.shutdown().await;
        }
        let bytes = &mut buffer[..read];
        while let Some(at) = bytes.windows(what.len()).position(|part| part == what.as_bytes()) {
            bytes[at..at + what.len()].copy_from_slice(by.as_bytes());
        }
        to_server.write_all(bytes).await?;
    }
}

const HIDDEN: &str = "SELECT 'the server will read something else here, which is as long as this text'";

async fn through(database: &TestDatabase, by: &str) -> Database {
    let port = exchanging(database.server().port(), HIDDEN, by).await;
    let settings = Settings::from_url(database.url()).unwrap().hosts(format!("127.0.0.1:{port}"));
    Database::connect(settings).await.unwrap()
}

/// Text, and whether what stands before it is kept by it.
const ENDS: [(&str, bool); 11] = [
    ("COMMIT; BEGIN; SET plimsoll.file = 'x'", true),
    ("COMMIT", true),
    ("END", true),
    ("ROLLBACK", false),
    ("ABORT", false),
    ("COMMIT AND CHAIN", true),
    ("ROLLBACK AND CHAIN", false),
    ("COMMIT; BEGIN", true),
    ("ROLLBACK; BEGIN; CREATE TABLE within (id int); COMMIT; BEGIN", false),
    ("COMMIT; BEGIN; SAVEPOINT a; ROLLBACK TO a", true),
    ("COMMIT; BEGIN; CREATE TABLE within (id int)", true),
];

#[tokio::test]
async fn an_end_that_only_the_server_sees_is_never_called_done() {
    for (end, kept) in ENDS {
        let database = test_server::database().await.unwrap();
        let db = through(&database, end).await;
        let sql = format!("CREATE TABLE first (id int);\n{HIDDEN};\nCREATE TABLE second (id int)");
        let (_folder, files) = folder(&[("001_a.sql", "CREATE TABLE a (id int)"), ("002_b.sql", &sql)]);
        let error = db.migrate(&files).await.expect_err(end);
        let said = error.to_string();
        assert_eq!((error.fault(), error.outcome()), (Fault::Migration, Outcome::Unknown), "{end}: {said}");
        // What other statements of the same message have been answered since hides which one it was.
        let which = if end.ends_with("(id int)") || end.ends_with("'x'") {
            "a statement ended the transaction"
        } else {
            "statement 2 (line 2) ended the transaction"
        };
        let by_the_handle = "was ended by a statement of its own";
        let which = if said.contains(which) { which } else { by_the_handle };
        for part in ["002_b.sql", which, "may be kept", "1 before it were applied"] {
            assert!(said.contains(part), "{part} is missing for {end}: {said}");
        }
        assert!(!said.contains("nothing of this file was kept"), "{end}: {said}");
        assert_eq!(exists(&database, "first").await, kept, "{end}");
        assert!(!exists(&database, "second").await, "{end}: what comes behind the end is not kept");
        assert_eq!(state(&database, 2).await, "started", "{end}");
        assert!(!db.schema_is_current(&files).await.unwrap(), "{end}");
        assert_eq!(db.schema_version().await.unwrap(), Some(1), "{end}");
    }
}

#[tokio::test]
async fn a_failure_behind_such_an_end_is_never_said_to_have_left_nothing() {
    for (end, kept) in ENDS {
        let database = test_server::database().await.unwrap();
        // One message for the server, which the reader of the text takes for one statement.
        let by = format!("{end}; SELECT 1/0");
        if by.len() > HIDDEN.len() {
            continue;
        }
        let db = through(&database, &by).await;
        let sql = format!("CREATE TABLE first (id int);\n{HIDDEN}");
        let (_folder, files) = folder(&[("001_b.sql", &sql)]);
        let error = db.migrate(&files).await.expect_err(end);
        let said = error.to_string();
        assert_eq!(error.outcome(), Outcome::Unknown, "{end}: {said}");
        assert_eq!(error.sqlstate().unwrap().code(), "22012", "{end}: {said}");
        assert!(said.contains("may be kept") && !said.contains("nothing of this file"), "{end}: {said}");
        assert_eq!(exists(&database, "first").await, kept, "{end}");
        assert_eq!(state(&database, 1).await, "started", "{end}");
    }
}

/// There the statement behind such an end might run in another session.
#[tokio::test]
async fn it_is_told_behind_a_transaction_pooler_as_well() {
    for (end, kept) in ENDS.into_iter().filter(|(end, _)| !end.contains("SET ")) {
        let database = test_server::database().await.unwrap();
        let bouncer =
            PgBouncer::in_front_of(&database).pool_mode(PoolMode::Transaction).start().await.unwrap();
        let port = exchanging(bouncer.port(), HIDDEN, end).await;
        let settings = Settings::from_url(bouncer.url(database.name())).unwrap();
        let settings = settings.pooler(PoolerMode::Transaction).hosts(format!("127.0.0.1:{port}"));
        let db = Database::connect(settings).await.unwrap();
        let sql = format!("CREATE TABLE first (id int);\n{HIDDEN};\nCREATE TABLE second (id int)");
        let (_folder, files) = folder(&[("001_b.sql", &sql)]);
        let error = db.migrate(&files).await.expect_err(end);
        assert_eq!(error.outcome(), Outcome::Unknown, "{end}: {error}");
        assert_eq!(exists(&database, "first").await, kept, "{end}");
        assert!(!exists(&database, "second").await, "{end}");
        assert_eq!(state(&database, 1).await, "started", "{end}");
    }
}

#[tokio::test]
async fn what_may_be_kept_in_part_runs_again_only_when_told() {
    let database = test_server::database().await.unwrap();
    let db = through(&database, "COMMIT").await;
    let sql = format!("CREATE TABLE IF NOT EXISTS first (id int); INSERT INTO first VALUES (1);\n{HIDDEN}");
    let (_folder, files) = folder(&[("001_b.sql", &sql)]);
    db.migrate(&files).await.unwrap_err();
    for _ in 0..2 {
        let error = db.migrate(&files).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotStarted, "{error}");
        let said = error.to_string();
        assert!(said.contains("was begun at 20") && said.contains("rerun_started(true)"), "{said}");
        assert!(!said.contains("nothing of this file was kept"), "{said}");
    }
    assert_eq!(one(&database, "SELECT count(*) FROM first").await, "1", "it was not run a second time");

    let corrected = "CREATE TABLE IF NOT EXISTS first (id int)";
    let (_folder, files) = folder(&[("001_b.sql", corrected)]);
    let report = db.migrate_with(&files, MigrateOptions::default().rerun_started(true)).await.unwrap();
    assert_eq!(report.applied.len(), 1);
    assert_eq!(state(&database, 1).await, "done");
}

#[tokio::test]
async fn a_transaction_that_a_statement_leaves_open_outside_is_not_called_done() {
    for begin in ["BEGIN", "BEGIN; CREATE TABLE within (id int)", "START TRANSACTION"] {
        let database = test_server::database().await.unwrap();
        let db = through(&database, begin).await;
        let sql = format!(
            "-- plimsoll: no transaction\nCREATE TABLE first (id int);\n{HIDDEN};\nCREATE TABLE second (id int)"
        );
        let (_folder, files) = folder(&[("001_b.sql", &sql)]);
        let error = db.migrate(&files).await.expect_err(begin);
        let said = error.to_string();
        assert!(said.contains("statement 2 (line 3)") && said.contains("open"), "{begin}: {said}");
        assert!(exists(&database, "first").await && !exists(&database, "second").await, "{begin}");
        assert!(!exists(&database, "within").await, "{begin}");
        assert_eq!(state(&database, 1).await, "started", "{begin}");
    }
}

/// Texts that a reader of SQL may take for something else than the server does. Whichever way they are read, what is
/// said agrees with what is stored.
#[tokio::test]
async fn whatever_a_text_looks_like_what_is_told_is_what_is_stored() {
    for hidden in [
        "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMIT",
        "-- a comment\rCOMMIT",
        "SELECT $é$ ; $é$; COMMIT",
        "SELECT U&'\\0041' UESCAPE '!'; COMMIT",
        "SELECT 'a'\n'b;'; COMMIT",
        "SET LOCAL standard_conforming_strings = off; SELECT 'a\\'; COMMIT; SELECT ''",
        "DO $$ BEGIN PERFORM set_config('standard_conforming_' || 'strings', 'off', true); END $$; \
         SELECT 'a\\', '; COMMIT; --'",
        "DO $$ BEGIN PERFORM set_config('standard_conforming_' || 'strings', 'off', true); END $$; \
         SELECT 'a\\''; COMMIT; SELECT 'b'",
    ] {
        for last in ["CREATE TABLE second (id int)", "SELECT 1/0"] {
            let (database, db) = fresh().await;
            let sql = format!("CREATE TABLE first (id int);\n{hidden};\n{last}");
            let (_folder, files) = folder(&[("001_a.sql", &sql)]);
            let answer = db.migrate(&files).await;
            let (kept, state) = (exists(&database, "first").await, state(&database, 1).await);
            match answer {
                Ok(_) => assert!(kept && state == "done" && last.starts_with("CREATE"), "{sql}"),
                Err(error) => {
                    let said = error.to_string();
                    assert_ne!(state, "done", "{sql}: {said}");
                    let is_told_gone =
                        error.outcome() != Outcome::Unknown || said.contains("nothing of this file");
                    assert!(!(kept && is_told_gone), "{sql}: kept, and told: {said}");
                }
            }
        }
    }
}
