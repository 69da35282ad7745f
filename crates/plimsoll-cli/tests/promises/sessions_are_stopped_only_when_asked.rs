//! `plimsoll long`, `cancel` and `terminate`: what is listed is what goes on, what is shown is not stopped, what is stopped is what
//! was shown, and each stop leaves a line.

use crate::command::plimsoll_of;
use crate::server_sessions::{begin, session};
use plimsoll_embedded::{Cluster, test_server};
use serde_json::Value;
use tokio_postgres::Error;

fn code(ended: Result<(), Error>) -> String {
    ended.unwrap_err().code().map_or("closed".to_owned(), |code| code.code().to_owned())
}

#[tokio::test]
async fn what_is_shown_is_stopped_with_run_and_never_without() {
    let db = test_server::database().await.unwrap();
    let (url, name) = (db.url(), format!("{}-report", db.name()));
    let running = begin(&url, &name, "/* nightly */ SELECT pg_sleep(600)").await;
    let other = begin(&url, &format!("{}-other", db.name()), "SELECT pg_sleep(600)").await;

    let listed = plimsoll_of(&["long", "-d", &url, "--application", &name, "--older-than", "1ms"]).await;
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(
        listed.out.contains("/* nightly */ SELECT pg_sleep(600)") && listed.out.contains("active"),
        "{}",
        listed.out
    );
    assert!(
        listed.out.contains("which has changed nothing") && !listed.out.contains("-other"),
        "{}",
        listed.out
    );

    let shown = plimsoll_of(&["cancel", "-d", &url, "--application", &format!("{}-rep*", db.name())]).await;
    assert!(shown.out.contains("Nothing was stopped: this was a look."), "{shown:?}");
    assert!(!running.is_finished());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let audit = file.to_str().unwrap();
    let done = plimsoll_of(&[
        "cancel",
        "-d",
        &url,
        "--query",
        "NIGHTLY",
        "--application",
        &name,
        "--run",
        "--audit",
        audit,
        "--why",
        "it's Monday",
    ])
    .await;
    assert_eq!((done.status, done.out.contains("stopped\n")), (0, true), "{done:?}");
    assert_eq!(code(running.await.unwrap()), "57014");
    assert!(!other.is_finished(), "another session was left alone");
    let line: Value = serde_json::from_str(std::fs::read_to_string(&file).unwrap().trim()).unwrap();
    assert_eq!((&line["action"], &line["why"]), (&"pg_cancel_backend".into(), &"it's Monday".into()));
    assert_eq!((&line["application"], &line["result"]), (&name.as_str().into(), &"stopped".into()));
}

#[tokio::test]
async fn the_safest_root_of_a_pile_is_found_and_ends_it() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await.unwrap();
    let holder = session(&url, "holder").await;
    holder.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    let waiter = begin(&url, "waiter", "UPDATE t SET a = 3").await;

    // The shared server may have other piles; this one is meant.
    let listed = plimsoll_of(&[
        "long",
        "-d",
        &url,
        "--application",
        "holder",
        "--blocking",
        "--older-than",
        "1ms",
        "--json",
    ])
    .await;
    let found: Value = serde_json::from_str(&listed.out).unwrap();
    let ours = found["sessions"].as_array().unwrap().iter().find(|it| it["database"] == db.name()).unwrap();
    assert_eq!(
        (&ours["state"], &ours["has_written"]),
        (&"idle in transaction".into(), &true.into()),
        "{ours}"
    );
    assert_eq!(ours["waiters"].as_array().unwrap().len(), 1, "{ours}");
    assert!(ours["loss"].as_str().unwrap().ends_with("with changes to public.t"), "{ours}");
    let pid = ours["pid"].to_string();

    // A cancel does nothing to a session that stands still; with an escalation it is terminated.
    let cancelled =
        plimsoll_of(&["cancel", "-d", &url, "--application", "holder", "--idle-in-transaction"]).await;
    assert!(cancelled.out.contains("left alone: it stands still in its transaction"), "{}", cancelled.out);
    let named = plimsoll_of(&["cancel", "-d", &url, &pid, "--run"]).await;
    assert!(named.out.contains("left alone: it stands still"), "{}", named.out);
    let done = plimsoll_of(&["cancel", "-d", &url, "--blocking", &pid, "--escalate", "1s", "--run"]).await;
    assert_eq!((done.status, done.out.contains("so the session was terminated")), (0, true), "{done:?}");
    waiter.await.unwrap().unwrap();
    assert!(holder.batch_execute("COMMIT").await.is_err());
    let rows = db.execute("SELECT a FROM t").await.unwrap();
    assert_eq!(rows.len(), 1);

    let again = plimsoll_of(&["terminate", "-d", &url, &pid, "--run"]).await;
    assert!(again.out.contains("No session fits."), "{again:?}");
}

#[tokio::test]
async fn nothing_is_stopped_that_was_not_said() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let refused = plimsoll_of(&["terminate", "-d", &url, "--run"]).await;
    assert_eq!(refused.status, 3, "{refused:?}");
    assert!(refused.error.contains("say which sessions are meant"), "{}", refused.error);
    let refused =
        plimsoll_of(&["cancel", "-d", &url, "1", "--run", "--audit", "/no/such/folder/audit"]).await;
    assert_eq!((refused.status, refused.error.contains("nothing was stopped")), (3, true), "{refused:?}");
    let refused = plimsoll_of(&["cancel", "-d", &url, "--older-than", "5"]).await;
    assert_eq!((refused.status, refused.error.contains("write it with its unit")), (3, true), "{refused:?}");
}

/// A role without rights sees and stops its own sessions only, and it is told so.
#[tokio::test]
async fn a_role_without_rights_is_told_what_it_may_not() {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE small LOGIN PASSWORD 'pw'").await.unwrap();
    let small = format!("postgres://small:pw@{}:{}/postgres", cluster.host(), cluster.port());
    let running = begin(&cluster.url("postgres"), "big", "SELECT pg_sleep(600)").await;
    let listed = plimsoll_of(&["long", "-d", &small]).await;
    assert_eq!((listed.status, listed.out.contains("GRANT pg_read_all_stats")), (3, true), "{listed:?}");
    let shown = plimsoll_of(&["cancel", "-d", &small, "--application", "big", "--run"]).await;
    assert!(shown.out.contains("left alone: what it does is hidden"), "{shown:?}");
    cluster.execute("postgres", "GRANT pg_read_all_stats TO small").await.unwrap();
    let refused = plimsoll_of(&["cancel", "-d", &small, "--application", "big", "--run"]).await;
    assert_eq!((refused.status, refused.error.contains("GRANT pg_signal_backend")), (3, true), "{refused:?}");
    assert!(!running.is_finished());
    // The server's log tells who stopped what.
    let done = plimsoll_of(&[
        "cancel",
        "-d",
        &cluster.url("postgres"),
        "--application",
        "big",
        "--run",
        "--why",
        "a 'quoted' why",
    ])
    .await;
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(code(running.await.unwrap()), "57014");
    assert!(cluster.log_tail().contains("a 'quoted' why"), "{}", cluster.log_tail());
}
