//! Every failure names what was tried, the likely cause, and the way out.

use plimsoll_embedded::{Binaries, Cluster, Error, PgBouncer, PgBouncerVersion, Upstream};
use std::os::unix::fs::PermissionsExt;

fn assert_says(error: &Error, all: &[&str]) {
    let said = error.to_string();
    for words in all {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}

fn home() -> tempfile::TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(open).tempdir_in("/tmp").expect("a temporary folder")
}

#[test]
fn no_server_of_that_version() {
    let error = Binaries::of_version(7).unwrap_err();
    assert_says(&error, &["of version 7", "Install one with `", "PLIMSOLL_PG_BIN"]);
    if std::env::var_os("PLIMSOLL_PG_BIN").is_none() {
        assert_says(&error, &["PATH", "/usr/lib/postgresql/*/bin"]);
    }
    let error = Binaries::in_folder("/nowhere").unwrap_err();
    assert_says(&error, &["/nowhere (as told, and nowhere else)"]);
}

#[tokio::test]
async fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Cluster::builder().port(port).start().await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { .. }), "{error}");
    assert_says(&error, &[&format!("port {port}"), "taken", "ask for another port"]);
}

#[tokio::test]
async fn a_data_folder_of_another_version_or_of_something_else() {
    let home = home();
    std::fs::write(home.path().join("PG_VERSION"), "9.6\n").unwrap();
    let error = Cluster::builder().data_dir(home.path()).start().await.unwrap_err();
    let ours = Binaries::find().unwrap().major();
    assert_says(
        &error,
        &["PostgreSQL 9.6", &format!("version {ours}"), "pg_upgrade", "PLIMSOLL_PG_VERSION=9.6"],
    );

    std::fs::remove_file(home.path().join("PG_VERSION")).unwrap();
    std::fs::write(home.path().join("thesis.tex"), "").unwrap();
    let error = Cluster::builder().data_dir(home.path()).start().await.unwrap_err();
    assert_says(&error, &["neither empty nor a PostgreSQL data folder", "nothing was written"]);
}

#[tokio::test]
async fn a_misspelt_setting_and_one_that_cannot_be_written() {
    let error = Cluster::builder().setting("max_konnections", "1").start().await.unwrap_err();
    assert_says(&error, &["max_konnections", "misspelt", "starting PostgreSQL"]);
    let error = Cluster::builder().setting("work_mem", "1MB\nport = 1").start().await.unwrap_err();
    assert_says(&error, &["work_mem", "one line"]);
}

#[tokio::test]
async fn a_folder_that_the_servers_user_may_not_enter() {
    let closed = tempfile::tempdir_in("/tmp").unwrap();
    let data = closed.path().join("data");
    match Cluster::builder().data_dir(&data).start().await {
        // Only root has to step down.
        Ok(cluster) => cluster.stop().await.unwrap(),
        Err(error) => assert_says(
            &error,
            &["refuses to run as root", "chmod o+x", &closed.path().display().to_string()],
        ),
    }
}

#[tokio::test]
async fn a_full_disk() {
    let home = home();
    // No test can fill a disk safely, so a program that says so stands in.
    let programs = home.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let real = Binaries::find().unwrap();
    for name in ["pg_ctl", "postgres"] {
        std::os::unix::fs::symlink(real.folder().join(name), programs.join(name)).unwrap();
    }
    let initdb = programs.join("initdb");
    std::fs::write(&initdb, "#!/bin/sh\necho 'initdb: error: write: No space left on device' >&2\nexit 1\n")
        .unwrap();
    std::fs::set_permissions(&initdb, std::fs::Permissions::from_mode(0o755)).unwrap();
    let binaries = Binaries::in_folder(&programs).unwrap();
    let error = Cluster::builder().binaries(binaries).start().await.unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert_says(&error, &["initdb", "disk", "full", "TMPDIR"]);
}

/// The next test by its whole name.
const CHILD: &str = "errors_say_what_to_do::child_asks_for_a_pgbouncer";

/// Its environment is another test's business.
#[tokio::test]
#[ignore = "a test starts it"]
async fn child_asks_for_a_pgbouncer() {
    let error = PgBouncer::in_front_of(Upstream::new("127.0.0.1", 1, "someone", "secret"))
        .version(PgBouncerVersion::V1_24)
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoPgBouncerOfVersion { .. }), "{error}");
    println!("said: {error}");
}

#[test]
fn no_pgbouncer_of_that_kind() {
    let home = home();
    let child = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env("PLIMSOLL_PGBOUNCER", "/bin/true")
        .env("PLIMSOLL_PGBOUNCER_FOLDER", home.path())
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}");
    for words in [
        "no PgBouncer like 1.24",
        &format!("looked in /bin/true, {}/1.24 (and /bin/true is no such one)", home.path().display()),
        "`scripts/setup test`",
        "PLIMSOLL_PGBOUNCER_FOLDER",
    ] {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
}

#[test]
fn an_option_that_does_not_exist_is_no_folder() {
    let empty = tempfile::tempdir().unwrap();
    for option in ["--help", "--share", "-x"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_private-postgres"));
        let output = command.arg(option).current_dir(empty.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(option) && said.contains("--shared"), "{said}");
        assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
    }
}
