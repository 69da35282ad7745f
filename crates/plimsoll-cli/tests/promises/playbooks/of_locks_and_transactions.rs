//! A pile-up behind a lock, and a transaction that its program has forgotten.

use super::guide::{Scene, folder, lines_with_pid};
use crate::command::program;
use crate::server_sessions::{begin, session};
use plimsoll_embedded::Cluster;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[tokio::test]
async fn everything_hangs() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "orders@web-3:4711 #3fa9c0d2 nightly report").await;
    holder.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    holder.batch_execute("BEGIN; INSERT INTO orders VALUES (1)").await.unwrap();
    let migration = begin(&url, "migration", "ALTER TABLE orders ADD note text").await;
    let reader = begin(&url, "orders@web-4:4711", "SELECT * FROM orders").await;
    let folder = folder();
    let scene = Scene { url: &url, places: &[("10s", "1s")], folder: folder.path().to_owned() };
    let runs = scene.plays("Everything hangs", 4).await;
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [1, 0, 0, 0], "{runs:?}");
    migration.await.unwrap().unwrap();
    reader.await.unwrap().unwrap();
    assert!(holder.batch_execute("COMMIT").await.is_err(), "it was the holder that was ended");
}

/// A program that hangs, with a child of its own, ends with its whole group.
#[test]
fn the_program_itself_hangs() {
    let mut shell = Command::new("/bin/sh");
    // It does not hear the polite signal, and its child does not either.
    shell.args(["-c", "trap '' TERM; sleep 600 & echo $!; wait"]);
    let mut hung = shell.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(hung.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let child: u32 = line.trim().parse().unwrap();
    let lines = lines_with_pid("Everything hangs");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let pid = hung.id().to_string();
    for line in lines.iter().map(|line| line.replace("<pid>", &pid)) {
        assert!(hung.try_wait().unwrap().is_none() && is_running(child), "it does not hear: {line}");
        assert!(program("/bin/sh", &["-c", &line]).status().unwrap().success(), "{line}");
    }
    assert_eq!(hung.wait().unwrap().signal(), Some(9));
    let until = Instant::now() + Duration::from_secs(10);
    while is_running(child) {
        assert!(Instant::now() < until, "its child is left");
        std::thread::yield_now();
    }
}

/// Whether there is such a process; one that ended and was not asked for yet is none.
fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_transaction_does_not_end() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "orders@web-3:4711").await;
    holder.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    holder.batch_execute("BEGIN; INSERT INTO orders VALUES (1)").await.unwrap();
    let folder = folder();
    let scene = Scene { url: &url, places: &[("1m", "1ms")], folder: folder.path().to_owned() };
    let runs = scene.plays("A transaction does not end", 4).await;
    assert!(runs.iter().all(|run| run.status <= 1), "{runs:?}");
    assert!(holder.batch_execute("COMMIT").await.is_err(), "its session was ended");
}
