//! `plimsoll migrate`: what is pending is shown, nothing is applied without consent, and a file that cannot get its lock leaves
//! nothing and holds no other session up.

use crate::command::plimsoll_of;
use crate::server_sessions::session;
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn file(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn status_plan_apply() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    file(folder.path(), "001_a.sql", "CREATE TABLE a (x integer);\n");
    file(folder.path(), "002_b.sql", "CREATE TABLE b (x integer);\n");
    file(
        folder.path(),
        "003_c.sql",
        "-- plimsoll: no transaction\nCREATE INDEX CONCURRENTLY a_x ON a (x);\n",
    );

    let status = plimsoll_of(&["migrate", "-d", &url, "status", path]).await;
    assert_eq!((status.status, status.out.contains("3 pending.")), (1, true), "{status:?}");
    let plan = plimsoll_of(&["migrate", "-d", &url, "plan", path]).await;
    assert!(
        plan.out.contains("-- 003_c.sql (outside a transaction") && plan.out.contains("CREATE TABLE b"),
        "{plan:?}"
    );

    for only_shown in [vec![], vec!["--dry-run"]] {
        let shown = plimsoll_of(&[&["migrate", "apply", path, &url][..], &only_shown].concat()).await;
        let says = shown.out.contains("  003_c.sql\nNothing was applied: this was a look.");
        assert_eq!((shown.status, says), (1, true), "{shown:?}");
    }
    let refused = plimsoll_of(&["migrate", "-d", &url, "apply", path, "--run"]).await;
    assert_eq!((refused.status, refused.error.contains("say --yes")), (3, true), "{refused:?}");
    assert!(db.execute("SELECT 1 FROM pg_class WHERE relname = 'a'").await.unwrap().is_empty());

    let one = plimsoll_of(&["migrate", "-d", &url, "apply", path, "--steps", "1", "--yes"]).await;
    assert!(
        one.status == 0 && one.out.starts_with("applied 001_a.sql in ") && one.out.lines().count() == 1,
        "{one:?}"
    );
    let rest = plimsoll_of(&["migrate", "-d", &url, "apply", path, "--yes"]).await;
    assert!(rest.out.contains("applied 002_b.sql") && rest.out.contains("applied 003_c.sql"), "{rest:?}");
    let done = plimsoll_of(&["migrate", "-d", &url, "apply", path, "--yes"]).await;
    assert_eq!((done.status, done.out.as_str()), (0, "Every file is applied.\n"));

    file(folder.path(), "001_a.sql", "CREATE TABLE a (x bigint);\n");
    std::fs::remove_file(folder.path().join("002_b.sql")).unwrap();
    let status = plimsoll_of(&["migrate", "-d", &url, "status", path, "--json"]).await;
    let found: Value = serde_json::from_str(&status.out).unwrap();
    let states: Vec<&str> =
        found["files"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!((status.status, states), (2, vec!["changed", "unknown", "applied"]), "{status:?}");
    let refused = plimsoll_of(&["migrate", "-d", &url, "apply", path, "--yes"]).await;
    assert_eq!(
        (refused.status, refused.error.contains("001_a.sql was changed after it was applied")),
        (2, true),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_table_that_is_in_use_is_not_waited_for() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute("CREATE TABLE a (x integer)").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "001_a.sql", "CREATE TABLE b (x integer);\nALTER TABLE a ADD y integer;\n");
    let holder = session(&url, "holder").await;
    holder.batch_execute("BEGIN; SELECT * FROM a").await.unwrap();
    let path = folder.path().to_str().unwrap();
    let failed = plimsoll_of(&[
        "migrate",
        "-d",
        &url,
        "apply",
        path,
        "--yes",
        "--lock-timeout",
        "100ms",
        "--retries",
        "1",
    ])
    .await;
    assert_eq!(failed.status, 2, "{failed:?}");
    assert!(
        failed.error.contains("001_a.sql failed in statement 2")
            && failed.error.contains("after 2 tries")
            && failed.error.contains("raise --lock-timeout"),
        "{failed:?}"
    );
    assert!(
        db.execute("SELECT 1 FROM pg_class WHERE relname = 'b'").await.unwrap().is_empty(),
        "nothing is left of it"
    );
}

#[tokio::test]
async fn squawk_is_asked_where_it_is_installed() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "001_a.sql", "CREATE TABLE a (x integer);\n");
    let path = folder.path().to_str().unwrap();
    let none = plimsoll_of(&["migrate", "-d", &url, "lint", path]).await;
    assert_eq!((none.status, none.error.contains("squawk is not installed")), (3, true), "{none:?}");

    // A stand-in by that name shows what it is given: the real one is another project's.
    let program = folder.path().join("squawk");
    std::fs::write(&program, "#!/bin/sh\necho \"$1: warning\"; exit 1\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["migrate", "-d", &url, "lint", path]).env("PATH", folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.contains("001_a.sql: warning")), (Some(1), true), "{text}");
}
