//! Whatever keeps a command from connecting is told in one line on the standard error, with what to do, and by the status 3.

use crate::command::{plimsoll, ran, runs};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::Process;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The one line.
async fn refusal(arguments: &[&str]) -> String {
    let ran = runs(plimsoll(arguments)).await;
    assert_eq!(ran.status, 3, "{arguments:?} {ran:?}");
    assert_eq!(ran.out, "", "{arguments:?}");
    assert_eq!(ran.error.lines().count(), 1, "{arguments:?} {}", ran.error);
    assert!(ran.error.starts_with("plimsoll: "), "{}", ran.error);
    ran.error
}

async fn says(arguments: &[&str], parts: &[&str]) {
    let line = refusal(arguments).await;
    for part in parts {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    says(
        &["doctor", "postgres://app@127.0.0.1:1/orders"],
        &["PL-CON-01", "127.0.0.1:1", "refused", "host and port"],
    )
    .await;
    says(
        &["doctor", "postgres://app@db.invalid/orders"],
        &["PL-CON-01", "db.invalid", "looking up the host"],
    )
    .await;
    says(&["doctor", "host=/nonexistent user=app"], &["PL-CON-01", "/nonexistent"]).await;
}

#[tokio::test]
async fn the_server_refuses() {
    let db = test_server::database().await.unwrap();
    let (server, name) = (db.server(), db.name());
    let (port, user) = (server.port(), server.superuser());
    let wrong = format!("postgres://{user}:hunter2@127.0.0.1:{port}/{name}");
    let line = refusal(&["doctor", &wrong]).await;
    assert!(line.contains("password authentication failed") && !line.contains("hunter2"), "{line}");
    let missing = format!("postgres://{user}@127.0.0.1:{port}/{name}");
    says(&["doctor", &missing], &["password missing", "there is no password file /nonexistent/.pgpass"])
        .await;
    let nowhere = db.url().replace(&format!("/{name}"), "/nowhere");
    says(&["doctor", &nowhere], &["PL-CON-04", "database \"nowhere\" does not exist"]).await;
    let plain = format!("{}?sslmode=verify-full", db.url());
    says(&["doctor", &plain], &["PL-CON-03", "does not offer TLS", "sslmode=require"]).await;
}

#[tokio::test]
async fn it_is_no_postgresql() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let web = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0u8; 64];
            let _ = client.read(&mut request).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    for sslmode in ["prefer", "disable"] {
        let url = format!("postgres://app@127.0.0.1:{port}/orders?sslmode={sslmode}");
        says(&["doctor", &url], &["PostgreSQL", &port.to_string()]).await;
    }
    web.abort();
}

#[tokio::test]
async fn it_says_nothing() {
    // Connections are taken by the kernel, and no program reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://app@{}/orders", silent.local_addr().unwrap());
    let begun = Instant::now();
    says(
        &["doctor", &url, "--connect-timeout", "1"],
        &["PL-CON-02", "gave up after 1.0 s", "negotiating TLS"],
    )
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let disabled = format!("{url}?sslmode=disable&connect_timeout=1");
    says(&["doctor", &disabled], &["PL-CON-02", "starting up"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_frozen_or_only_reads() {
    let primary = Cluster::start().await.unwrap();
    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    let writes = format!("{}?target_session_attrs=read-write", standby.url("postgres"));
    says(&["doctor", &writes], &["is read-only", "target_session_attrs=read-write"]).await;
    let looked = runs(plimsoll(&["doctor", &standby.url("postgres"), "--only", "G01"])).await;
    assert!(looked.out.contains("what only its primary can answer is skipped"), "{looked:?}");

    let server = Process::attach_tree(primary.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let begun = Instant::now();
    says(&["doctor", &primary.url("postgres"), "--within", "2"], &["PL-CON-02", "gave up after"]).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "back by its deadline: {:?}", begun.elapsed());
    server.thaw().unwrap();
}

#[tokio::test]
async fn the_options_are_wrong() {
    for (arguments, parts) in [
        (vec!["doctor", "--junk"], vec!["--junk", "--help"]),
        (vec!["doctor", "--format", "tabel"], vec!["tabel", "table"]),
        (vec!["doctor", "--within", "0"], vec!["--within", "1..=3600"]),
        (vec!["doctr"], vec!["doctr", "doctor"]),
        (vec!["doctor", "postgres://a@h/x", "-d", "postgres://a@h/x"], vec!["cannot be used with"]),
        (vec!["doctor", "mysql://root@h/x"], vec!["the scheme", "postgres://"]),
        (vec!["doctor", "postgres://a:hunter2#@h/x"], vec!["%23"]),
        (vec!["doctor", "--only", "G0l"], vec!["no check is called \"G0l\"", "did you mean G0"]),
        (vec!["doctor", "--threshold", "dead_client_check=1"], vec!["did you mean dead_client_check_warn?"]),
        (vec!["doctor", "--since", "/nonexistent/a.json"], vec!["/nonexistent/a.json cannot be read"]),
        (vec!["explain", "PL-CON-1"], vec!["did you mean PL-CON-01?"]),
        (vec!["completions", "tcsh"], vec!["tcsh", "bash"]),
    ] {
        let line = refusal(&arguments).await;
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line}");
        }
        assert!(!line.contains("hunter2"), "{line}");
    }
}

/// A URL in a place where none belongs is told of without its password: such lines go into the mail of cron.
#[test]
fn no_password_is_told_with_a_bad_argument() {
    for arguments in [
        ["sizes", "postgres://app:neverprinted-9@db/shop"],
        ["long", "postgres://app:neverprinted-9@db/shop"],
        ["top", "--evry=postgres://app:neverprinted-9@db/shop"],
        ["report", "--pooler=postgres://app:neverprinted-9@db/shop"],
    ] {
        let run = ran(&mut plimsoll(&arguments));
        assert_eq!(run.status, 3, "{run:?}");
        assert!(!run.error.contains("neverprinted") && run.error.lines().count() == 1, "{}", run.error);
        assert_eq!(run.error.matches("--help").count(), 1, "{}", run.error);
    }
}

/// A report that is cut short by a full disk is told of, and its status is none of the report's.
#[test]
fn a_full_disk_is_told_of() {
    let mut command = plimsoll(&["explain"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), error.contains("could not be written whole")),
        (Some(3), true),
        "{error}"
    );
}
