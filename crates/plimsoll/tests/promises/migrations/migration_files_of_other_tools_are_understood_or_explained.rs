//! Files that another tool, another editor or another system has written are applied as they are meant, or refused
//! before anything runs with a sentence that says what to do.

use super::schema::{exists, fresh, one};
use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::Binaries;
use plimsoll_embedded::test_server::TestDatabase;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        write(folder.path(), file, text);
    }
    folder
}

fn write(folder: &Path, file: &str, text: &[u8]) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Migrates a folder, and wants to be refused with nothing run, in a sentence that has these parts.
async fn refused(files: &[(&str, &[u8])], parts: &[&str]) -> String {
    let (database, db) = fresh().await;
    let folder = folder(files);
    let error = db.migrate(&Migrations::from_folder(folder.path())).await.unwrap_err();
    let said = error.to_string();
    assert_eq!((error.fault(), error.outcome()), (Fault::Migration, Outcome::NotStarted), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let tables =
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'plimsoll_migrations'";
    assert_eq!(one(&database, tables).await, "0", "{said}");
    said
}

/// Migrates a folder, and wants each file of it to be applied.
async fn applied(files: &[(&str, &[u8])]) -> (TestDatabase, Database, TempDir) {
    let (database, db) = fresh().await;
    let folder = folder(files);
    let migrations = Migrations::from_folder(folder.path());
    db.migrate(&migrations).await.unwrap();
    assert!(db.schema_is_current(&migrations).await.unwrap());
    (database, db, folder)
}

#[tokio::test]
async fn of_a_pair_the_file_that_undoes_is_left_alone() {
    let files: &[(&str, &[u8])] = &[
        ("000001_users.up.sql", b"CREATE TABLE users (id int);"),
        ("000001_users.down.sql", b"DROP TABLE users; COMMIT; \\i nonsense"),
        ("000002_orders.up.sql", b"CREATE TABLE orders (id int);"),
        ("000002_orders.DOWN.sql", b"\xff\xfe"),
        ("000003_plain.sql", b"CREATE TABLE plain (id int);"),
        ("000003_plain.down.sql", b"DROP TABLE plain;"),
    ];
    let (database, db, folder) = applied(files).await;
    assert!(
        exists(&database, "users").await
            && exists(&database, "orders").await
            && exists(&database, "plain").await
    );
    let history = "SELECT string_agg(version || ' ' || name, ', ' ORDER BY version) FROM plimsoll_migrations";
    assert_eq!(one(&database, history).await, "1 users, 2 orders, 3 plain");

    // What undoes may change, since it is never run.
    write(folder.path(), "000001_users.down.sql", b"DROP TABLE IF EXISTS users;");
    let again = Migrations::from_folder(folder.path());
    assert!(db.schema_is_current(&again).await.unwrap());
    assert_eq!(db.migrate(&again).await.unwrap().already, 3);

    static EMBEDDED: Migrations = Migrations::embedded(&[
        ("migrations/20260101_a.up.sql", "CREATE TABLE a (id int)"),
        ("migrations/20260101_a.down.sql", "DROP TABLE a"),
    ]);
    let (database, db) = fresh().await;
    assert_eq!(db.migrate(&EMBEDDED).await.unwrap().applied.len(), 1);
    assert!(exists(&database, "a").await);
}

#[tokio::test]
async fn a_file_that_was_applied_before_its_pair_came_is_known_again() {
    let (_database, db, folder) = applied(&[("1_a.sql", b"CREATE TABLE a (id int)")]).await;
    std::fs::rename(folder.path().join("1_a.sql"), folder.path().join("1_a.up.sql")).unwrap();
    write(folder.path(), "1_a.down.sql", b"DROP TABLE a");
    let report = db.migrate(&Migrations::from_folder(folder.path())).await.unwrap();
    assert_eq!((report.already, report.applied.len()), (1, 0));
}

/// As `pg_dump` of today writes it.
const DUMP: &str = r"--
-- PostgreSQL database dump
--

\restrict lBHmEczgTJQabFGd71zQSyqUEwuQ8Xhe

-- Dumped by pg_dump

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE TABLE public.notes (id integer, text text DEFAULT '
\restrict this is text
\i and.this');

INSERT INTO public.notes VALUES (1, 'a\
\.
b');

--
-- PostgreSQL database dump complete
--

\unrestrict lBHmEczgTJQabFGd71zQSyqUEwuQ8Xhe

";

#[tokio::test]
async fn a_dump_is_a_migration_whatever_its_line_ends() {
    for end in ["\n", "\r\n", "\r"] {
        let dump = DUMP.replace('\n', end);
        let (database, _db, _folder) =
            applied(&[("1_dump.sql", dump.as_bytes()), ("2_b.sql", b"CREATE TABLE b ()")]).await;
        assert_eq!(one(&database, "SELECT text FROM notes").await, format!("a\\{end}\\.{end}b"), "{end:?}");
        let default = "SELECT column_default FROM information_schema.columns WHERE column_name = 'text'";
        assert!(one(&database, default).await.contains("\\i and.this"), "{end:?}");
    }
}

#[tokio::test]
async fn what_pg_dump_writes_here_is_applied_and_its_rows_are_explained() {
    let pg_dump = Binaries::find().unwrap().folder().join("pg_dump");
    if !pg_dump.exists() {
        eprintln!("this build of PostgreSQL brings no pg_dump; the recorded dump of another test has to do");
        return;
    }
    let (source, _) = fresh().await;
    source
        .execute(
            "CREATE TABLE parts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text NOT NULL); \
             CREATE INDEX ON parts (label); \
             CREATE FUNCTION next_part() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(id) + 1 FROM parts; END; \
             CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$; \
             CREATE TRIGGER touch BEFORE UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION touch(); \
             CREATE RULE twice AS ON DELETE TO parts DO (SELECT 1; SELECT 2); \
             COMMENT ON TABLE parts IS 'it''s; \\\n\\i here'; \
             INSERT INTO parts (label) VALUES ('it''s; COMMIT'), (E'a\\\\b\\n\\\\c d')",
        )
        .await
        .unwrap();
    let dump = |arguments: &[&str]| {
        let output = Command::new(&pg_dump).args(arguments).arg(source.url()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let whole = dump(&["--inserts"]);
    let (database, db, _folder) = applied(&[("1_dump.sql", &whole)]).await;
    assert_eq!(
        one(&database, "SELECT string_agg(label, '|' ORDER BY id) FROM parts").await,
        "it's; COMMIT|a\\b\n\\c d"
    );
    assert_eq!(one(&database, "SELECT next_part()").await, "3");
    // What a dump sets stays with nobody.
    let path = db.query_one("SHOW search_path", &[]).await.unwrap();
    assert_eq!(path.get::<_, &str>(0), "\"$user\", public");

    let said =
        refused(&[("1_dump.sql", &dump(&[]))], &["1_dump.sql line ", "COPY FROM STDIN", "--inserts"]).await;
    assert!(!said.contains("problems were found"), "its rows are not read as SQL: {said}");
    refused(
        &[("1_dump.sql", &dump(&["--create", "--inserts"]))],
        &["\\connect is a command of psql", "--create"],
    )
    .await;
}

#[tokio::test]
async fn every_other_command_of_psql_is_named_with_its_line() {
    for (sql, parts) in [
        (
            "CREATE TABLE a (id int);\n\\i other.sql\n",
            ["1_a.sql line 2: \\i is a command of psql", "a number"],
        ),
        (
            "\\set ON_ERROR_STOP on\nCREATE TABLE a (id int);",
            ["1_a.sql line 1: \\set is", "stops at its first error"],
        ),
        ("\\connect shop\rCREATE TABLE a (id int);", ["1_a.sql line 1: \\connect is", "take the line out"]),
        ("CREATE TABLE a (id int);\r\n  \\echo done", ["1_a.sql line 2: \\echo is", "take the line out"]),
        ("CREATE TABLE a (id int)\n\\restrict x\n;", ["1_a.sql line 2: \\restrict is", "take the line out"]),
        ("/* \n */ \n\\if true\nCREATE TABLE a (id int);\n\\endif", ["1_a.sql line 3: \\if is", "DO block"]),
        ("SELECT 'CREATE TABLE a ()'\n\\gexec\n", ["1_a.sql line 2: \\gexec is", "semicolon"]),
        ("\\copy a FROM 'a.csv'", ["1_a.sql line 1: \\copy is", "INSERT"]),
        ("\\encoding LATIN1", ["1_a.sql line 1: \\encoding is", "UTF-8"]),
    ] {
        refused(&[("1_a.sql", sql.as_bytes())], &parts).await;
    }
}

#[tokio::test]
async fn what_only_the_server_finds_is_explained() {
    for (sql, part) in [
        ("CREATE TABLE a (id int);\nSELECT 1 \\gexec", "statement 2 (line 2)"),
        ("CREATE TABLE a (id int);\nSELECT 1 \\gexec", "what begins with a backslash is a command of psql"),
        ("CREATE TABLE a (id int);\nSELECT :name", "a variable of psql"),
        ("CREATE TABLE a (id int);\nSELECT ${name}", "a placeholder"),
        ("CREATE TABLE a (id int);\n\u{feff}CREATE TABLE b (id int)", "a byte order mark"),
        ("CREATE TABLE a (id int);\nSELECT\u{a0}1", "a no-break space"),
        ("CREATE TABLE a (id int);\nSELECT \u{2018}x\u{2019}", "a typographic quotation mark"),
        ("CREATE TABLE a (id int);\n\u{1a}SELECT 1", "a character that is not seen"),
        ("CREATE TABLE a (id int);\nSET transaction_time_out = 0", "a dump of a newer version"),
    ] {
        let (database, db) = fresh().await;
        let folder = folder(&[("1_a.sql", sql.as_bytes())]);
        let error = db.migrate(&Migrations::from_folder(folder.path())).await.unwrap_err();
        let said = error.to_string();
        assert_eq!(error.outcome(), Outcome::RolledBack, "{said}");
        assert!(
            said.contains(part) && said.contains("nothing of this file was kept"),
            "{part} is missing: {said}"
        );
        assert!(!exists(&database, "a").await);
    }
}

#[tokio::test]
async fn every_kind_of_line_end_is_applied_and_known_again_as_the_others() {
    let text = "-- a comment\nCREATE TABLE a (id int); -- another\n\n-- one more; COMMIT\nINSERT INTO a\n  VALUES (1);\n";
    for ends in [["\n", "\r\n"], ["\r\n", "\n"], ["\r", "\n"], ["\n", "\r"], ["\r\n", "\r"]] {
        let [then, now] = ends.map(|end| text.replace('\n', end));
        let (database, db, folder) = applied(&[("1_a.sql", then.as_bytes())]).await;
        assert_eq!(one(&database, "SELECT count(*) FROM a").await, "1", "{ends:?}");
        write(folder.path(), "1_a.sql", now.as_bytes());
        let again = Migrations::from_folder(folder.path());
        assert_eq!(db.migrate(&again).await.unwrap().already, 1, "{ends:?}");
        assert!(db.schema_is_current(&again).await.unwrap(), "{ends:?}");
    }
    let (database, db) = fresh().await;
    let bad = folder(&[("1_a.sql", b"CREATE TABLE a (id int);\r\rINSERT INTO a\r  SELECT nothing;\r")]);
    let said = db.migrate(&Migrations::from_folder(bad.path())).await.unwrap_err().to_string();
    assert!(said.contains("statement 2 (line 4)"), "{said}");
    assert!(!exists(&database, "a").await);
}

#[tokio::test]
async fn a_history_from_before_is_read_as_it_was_written() {
    // Then a carriage return by itself was taken for a part of its line.
    let then = "CREATE TABLE a (id int);\r\n-- old\rSELECT 1;\r\n";
    let (database, db, folder) = applied(&[("1_a.sql", then.as_bytes())]).await;
    let checksum =
        "encode(sha256(convert_to(E'CREATE TABLE a (id int);\\n-- old\\rSELECT 1;\\n', 'UTF8')), 'hex')";
    database.execute(&format!("UPDATE plimsoll_migrations SET checksum = {checksum}")).await.unwrap();
    let files = Migrations::from_folder(folder.path());
    assert!(db.schema_is_current(&files).await.unwrap());
    assert_eq!(db.migrate(&files).await.unwrap().already, 1);
}

#[tokio::test]
async fn a_byte_order_mark_is_passed_over_and_other_encodings_are_named() {
    let (database, _db, _folder) = applied(&[("1_a.sql", b"\xef\xbb\xbfCREATE TABLE a (id int)")]).await;
    assert!(exists(&database, "a").await);
    let (database, _db, _folder) =
        applied(&[("1_a.sql", b"\xef\xbb\xbf-- plimsoll: no transaction\r\nCREATE TABLE a (id int)")]).await;
    assert!(exists(&database, "a").await);

    let wide = |order: fn(u16) -> [u8; 2], mark: &[u8]| -> Vec<u8> {
        mark.iter().copied().chain("CREATE TABLE a (id int)".encode_utf16().flat_map(order)).collect()
    };
    for text in [
        wide(u16::to_le_bytes, b"\xff\xfe"),
        wide(u16::to_be_bytes, b"\xfe\xff"),
        wide(u16::to_le_bytes, b""),
        wide(u16::to_be_bytes, b""),
    ] {
        refused(&[("1_a.sql", &text)], &["1_a.sql", "UTF-16", "save it as UTF-8"]).await;
    }
    refused(&[("1_a.sql", b"PGDMP\x01\x0e\x00\xff")], &["custom format", "--format=plain --inserts"]).await;
    let latin = b"-- first\nCREATE TABLE a (id int);\nINSERT INTO a VALUES ('caf\xe9')";
    refused(&[("1_a.sql", latin)], &["1_a.sql", "not UTF-8", "byte 0xe9 in line 3"]).await;
}

#[tokio::test]
async fn a_session_in_another_encoding_would_store_something_else_and_is_refused() {
    for set in
        ["SET client_encoding = 'LATIN1'", "SET NAMES 'WIN1252'", "set local client_encoding to latin9"]
    {
        let sql = format!("CREATE TABLE a (name text);\n{set};\nINSERT INTO a VALUES ('é')");
        refused(&[("1_a.sql", sql.as_bytes())], &["1_a.sql line 2", "client_encoding", "take the line out"])
            .await;
    }
}

#[tokio::test]
async fn both_ways_in_one_file_are_not_run_after_each_other() {
    for (sql, tool) in [
        ("-- +goose Up\nCREATE TABLE a (id int);\n\n-- +goose Down\nDROP TABLE a;", "goose"),
        ("-- migrate:up\nCREATE TABLE a (id int);\n\n-- migrate:down\nDROP TABLE a;", "dbmate"),
        (
            "-- +migrate Up\r\nCREATE TABLE a (id int);\r\n\r\n-- +migrate Down\r\nDROP TABLE a;",
            "sql-migrate",
        ),
    ] {
        refused(&[("1_a.sql", sql.as_bytes())], &["1_a.sql line 4", tool, "take out all from this line on"])
            .await;
    }
    // Without the way back it is a file like any other.
    let (database, _db, _folder) = applied(&[("1_a.sql", b"-- +goose Up\nCREATE TABLE a (id int);")]).await;
    assert!(exists(&database, "a").await);
}

#[tokio::test]
async fn sqlx_says_in_the_first_line_that_a_file_runs_outside_a_transaction() {
    let (database, _db, _folder) = applied(&[
        ("20260101_a.sql", b"CREATE TABLE a (id int);"),
        ("20260102_i.sql", b"-- no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);"),
    ])
    .await;
    assert!(exists(&database, "a_id").await);
}

#[tokio::test]
async fn names_of_flyway_and_refinery_are_told_what_to_become() {
    refused(
        &[
            ("V1__users.sql", b"CREATE TABLE users (id int)"),
            ("U1__users.sql", b"DROP TABLE users"),
            ("R__views.sql", b"CREATE VIEW v AS SELECT 1"),
        ],
        &["call it 1_users.sql", "baseline(1)", "a repeatable file of Flyway's", "take it out of the folder"],
    )
    .await;
}

#[tokio::test]
async fn files_one_level_deeper_are_not_taken_for_none() {
    let files: &[(&str, &[u8])] = &[
        ("2026-01-01-000000_users/up.sql", b"CREATE TABLE users (id int)"),
        ("2026-01-01-000000_users/down.sql", b"DROP TABLE users"),
        ("diesel.toml", b""),
    ];
    refused(files, &["holds no .sql file of its own", "2026-01-01-000000_users.sql"]).await;
    // An empty folder has nothing to apply.
    let (_database, db) = fresh().await;
    let empty = folder(&[("README.md", b"")]);
    assert_eq!(db.migrate(&Migrations::from_folder(empty.path())).await.unwrap().applied.len(), 0);
}

#[tokio::test]
async fn a_role_that_a_file_leaves_behind_is_explained() {
    let (database, db) = fresh().await;
    let role = format!("nobody_{:08x}", fastrand::u32(..));
    database.execute(&format!("CREATE ROLE {role}")).await.unwrap();
    let sql = format!("CREATE TABLE a (id int);\nSET ROLE {role}");
    let files = folder(&[("1_a.sql", sql.as_bytes())]);
    let error = db.migrate(&Migrations::from_folder(files.path())).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("RESET ROLE") && said.contains("nothing of this file was kept"), "{said}");
    assert!(!exists(&database, "a").await);
    let sql = format!("CREATE TABLE a (id int);\nSET ROLE {role};\nRESET ROLE");
    let files = folder(&[("1_a.sql", sql.as_bytes())]);
    db.migrate_with(&Migrations::from_folder(files.path()), MigrateOptions::default()).await.unwrap();
    database.execute(&format!("DROP ROLE {role}")).await.unwrap();
}
