//! The exit status of a command is the one that its help tells: 0 well, 1 wants attention, 2 wrong, 3 not known, 130 interrupted.

use crate::command::{output_of, plimsoll, plimsoll_of};
use plimsoll_embedded::test_server;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Commands that connect, each with what it cannot do without.
const CONNECTING: [&[&str]; 16] = [
    &["apply", "--profile", "service", "--role", "app"],
    &["bloat"],
    &["blocking"],
    &["cancel", "4711"],
    &["doctor"],
    &["indexes"],
    &["integrity"],
    &["long"],
    &["migrate", "status", "."],
    &["migrate", "apply", ".", "--yes"],
    &["sizes"],
    &["statements"],
    &["terminate", "4711"],
    &["timeouts"],
    &["top", "--once"],
    &["vacuum"],
];

#[test]
fn what_cannot_be_found_out_is_3_for_all() {
    for command in CONNECTING {
        let run =
            output_of(&[command, &["-d", "postgres://app@127.0.0.1:1/orders?sslmode=disable"]].concat());
        assert_eq!((run.status, run.out.as_str()), (3, ""), "{command:?} {run:?}");
        let run = output_of(&[command, &["--no-such-option"]].concat());
        assert_eq!((run.status, run.error.contains("--no-such-option")), (3, true), "{command:?} {run:?}");
    }
    for command in
        [&["explain", "PL-XXX-99"][..], &["completions", "tcsh"], &["man", "--into", "/proc/none"], &["none"]]
    {
        assert_eq!(output_of(command).status, 3, "{command:?}");
    }
}

#[test]
fn what_needs_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = folder.path().join("site.conf");
    std::fs::write(&nginx, "proxy_pass http://a; proxy_read_timeout 30s;").unwrap();
    let ini = folder.path().join("pgbouncer.ini");
    let of = |query_wait: &str| {
        std::fs::write(
            &ini,
            format!("[pgbouncer]\nserver_connect_timeout = 2\nquery_wait_timeout = {query_wait}\n"),
        )
        .unwrap();
        let (nginx, ini) = (nginx.to_str().unwrap(), ini.to_str().unwrap());
        output_of(&["timeouts", "--no-server", "--nginx", nginx, "--pgbouncer", ini]).status
    };
    assert_eq!([of("5"), of("0"), of("60")], [0, 1, 2]);
    for command in
        [&["explain", "57014"][..], &["completions", "bash"], &["man"], &["doctor", "--list"], &["--help"]]
    {
        assert_eq!(output_of(command).status, 0, "{command:?}");
    }
    let help = output_of(&["--help"]).out;
    assert!(
        help.contains("Exit status, of every command") && help.contains("  130  it was interrupted"),
        "{help}"
    );
    let help = output_of(&["migrate", "--help"]).out;
    assert!(help.contains("Exit status:\n  0    nothing is pending"), "{help}");
    let page = output_of(&["man"]).out;
    assert!(page.contains("Exit status, of every command"), "{page}");
}

#[tokio::test]
async fn what_a_server_shows() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let status = async |arguments: &[&str]| plimsoll_of(&[arguments, &["-d", &url]].concat()).await.status;
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a int)").await.unwrap();
    for command in [
        &["integrity", "--count"][..],
        &["indexes", "--table", "t"],
        &["sizes"],
        &["long"],
        &["migrate", "status", path],
    ] {
        assert_eq!(status(command).await, 0, "{command:?}");
    }
    std::fs::write(folder.path().join("001_a.sql"), "CREATE TABLE made (x int);").unwrap();
    db.execute("CREATE INDEX one ON t (a); CREATE INDEX two ON t (a); INSERT INTO t VALUES (1, -1)")
        .await
        .unwrap();
    db.execute("ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0) NOT VALID").await.unwrap();
    for command in [&["integrity"][..], &["indexes", "--table", "t"], &["migrate", "plan", path]] {
        assert_eq!(status(command).await, 1, "{command:?}");
    }
    std::fs::write(folder.path().join("002_b.sql"), "CREATE TABLE made (x int);").unwrap();
    for command in [&["integrity", "--count"][..], &["migrate", "apply", path, "--yes"]] {
        assert_eq!(status(command).await, 2, "{command:?}");
    }
    std::fs::remove_file(folder.path().join("002_b.sql")).unwrap();
    assert_eq!(status(&["migrate", "apply", path, "--yes"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_is_130() {
    let db = test_server::database().await.unwrap();
    let mut command = plimsoll(&["blocking", "--watch", "-d", &db.url()]);
    let mut watch = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let question = format!(
        "SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'plimsoll blocking' AND datname = '{}' AND query <> ''",
        db.name()
    );
    while db.execute(&question).await.unwrap().is_empty() {
        assert!(Instant::now() < end, "it has not begun to look");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kill_process(Pid::from_raw(watch.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let ended = tokio::task::spawn_blocking(move || watch.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(130));
}
