//! `plimsoll blocking`: a pile-up is shown as a tree while it lasts, and told of when it is over.

use crate::command::output_of;
use crate::server_sessions::{begin, session};
use plimsoll_embedded::test_server;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[tokio::test]
async fn the_tree_begins_with_who_holds_the_lock() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await.unwrap();
    let none = tokio::task::spawn_blocking({
        let url = url.clone();
        move || output_of(&["blocking", "-d", &url])
    });
    let none = none.await.unwrap();
    assert_eq!(
        (none.status, none.out.as_str()),
        (0, "No session of this database waits for a lock.\n"),
        "{none:?}"
    );

    let holder = session(&url, "holder").await;
    holder.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    let first = begin(&url, "first", "UPDATE t SET a = 3").await;
    let second = begin(&url, "second", "ALTER TABLE t ADD b integer").await;
    let third = begin(&url, "third", "SELECT * FROM t").await;
    let seen = tokio::task::spawn_blocking(move || output_of(&["blocking", "-d", &url])).await.unwrap();
    assert_eq!(seen.status, 1, "{seen:?}");
    let lines: Vec<&str> = seen.out.lines().collect();
    assert!(lines[0].contains("(holder, user") && lines[0].contains("blocks 3 sessions"), "{}", seen.out);
    let at =
        |name: &str| lines.iter().skip(1).position(|line| line.contains(&format!("({name}, user"))).unwrap();
    assert!(
        at("holder") < at("first") && at("holder") < at("second") && at("second") < at("third"),
        "{}",
        seen.out
    );
    assert!(seen.out.contains("AccessExclusiveLock on public.t"), "{}", seen.out);
    drop(holder);
    for waiting in [first, second, third] {
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_watch_tells_of_it_afterwards_and_keeps_it() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stalls.jsonl");
    let mut watch = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    watch.args(["blocking", "-d", &url, "--watch", "--every", "100ms", "--keep"]).arg(&file);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(watch.stdout.take().unwrap());

    let holder = session(&url, "nightly").await;
    holder.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    let waiter = begin(&url, "checkout", "UPDATE t SET a = 3").await;
    // It lasts until the watch has had some looks; none of them tells of it yet.
    let looker = session(&url, "looker").await;
    for _ in 0..10 {
        looker.batch_execute("SELECT pg_sleep(0.05)").await.unwrap();
    }
    holder.batch_execute("COMMIT").await.unwrap();
    waiter.await.unwrap().unwrap();

    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    });
    let line = line.await.unwrap();
    assert!(
        line.contains("1 session waited for") && line.contains("on public.t,") && line.contains("nightly"),
        "{line}"
    );
    kill_process(Pid::from_raw(watch.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(130));
    let kept: Value =
        serde_json::from_str(std::fs::read_to_string(&file).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((&kept["is_over"], &kept["object"]), (&true.into(), &"public.t".into()), "{kept}");
    assert_eq!(
        (&kept["blockers"][0]["application_name"], &kept["waiting"][0]["name"]),
        (&"nightly".into(), &"checkout".into())
    );
}

#[test]
fn a_pause_of_nothing_is_refused() {
    let run = output_of(&["blocking", "--watch", "--every", "0s"]);
    assert_eq!((run.status, run.error.contains("from 100ms to 1h")), (3, true), "{run:?}");
}
