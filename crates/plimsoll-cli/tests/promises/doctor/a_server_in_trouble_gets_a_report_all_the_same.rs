//! The server that is looked at may be the one in trouble. The command is back by its deadline with what it knows, says what it could
//! not find out, and leaves nothing on the server.

use crate::command::{plimsoll, runs};
use plimsoll::{DirectConnection, Settings};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::{Cut, Direction, Fault, Proxy, When};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, Instant};

const SESSIONS: &str = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE application_name = 'plimsoll doctor' AND datname = current_database()";

/// A wire on which the question of G01 goes to nowhere, and the client is not told; and the URL that leads through it.
async fn losing_the_question(db: &test_server::TestDatabase) -> (Proxy, String) {
    let wire = Proxy::in_front_of(("127.0.0.1", db.server().port())).await.unwrap();
    let lost = Fault::on_message(Direction::ToServer, b'Q', "pg_db_role_setting", When::Before)
        .ending(Cut::ServerGone);
    wire.set_once(lost);
    let url = db.url().replace(&format!(":{}/", db.server().port()), &format!(":{}/", wire.port()));
    (wire, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_question_is_never_answered() {
    let db = test_server::database().await.unwrap();
    let (wire, url) = losing_the_question(&db).await;
    let begun = Instant::now();
    let ran = runs(plimsoll(&["doctor", &url, "--only", "G01", "--within", "2s"])).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?} {ran:?}", begun.elapsed());
    assert_eq!(ran.status, 3, "nothing was looked at: {ran:?}");
    assert!(ran.out.contains("skipped  G01: the time for all checks was over"), "{}", ran.out);
    assert!(ran.out.contains("partial  not all was asked:"), "{}", ran.out);
    assert!(wire.accepted() <= 2, "the connection, and the cancel");
    until_nothing_is_left(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_somebody_who_does_not_want_to_wait_is_not_made_to() {
    let db = test_server::database().await.unwrap();
    let (wire, url) = losing_the_question(&db).await;
    let mut doctor = plimsoll(&["doctor", &url, "--only", "G01", "--within", "10m"]);
    let mut doctor = doctor.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wire.until_struck(1).await;
    kill_process(Pid::from_raw(doctor.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || doctor.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    until_nothing_is_left(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_connection_but_the_reserved_is_used() {
    let cluster = Cluster::builder()
        .setting("max_connections", "6")
        .setting("superuser_reserved_connections", "3")
        .setting("max_wal_senders", "0")
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'hunter2'").await.unwrap();
    let url = format!("postgres://app:hunter2@127.0.0.1:{}/postgres", cluster.port());
    let mut held = Vec::new();
    while let Ok(connection) = connect(&url).await {
        held.push(connection);
    }
    assert!((1..=3).contains(&held.len()), "{}", held.len());
    let refused = runs(plimsoll(&["doctor", &url, "--only", "G01"])).await;
    assert_eq!(refused.status, 3, "{refused:?}");
    assert!(refused.error.contains("PL-CON-05") && refused.error.lines().count() == 1, "{refused:?}");
    let of_superuser =
        runs(plimsoll(&["doctor", &cluster.url("postgres"), "--only", "G01", "--role", "app"])).await;
    assert_eq!(of_superuser.status, 2, "a reserved one is enough: {of_superuser:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_lock_on_a_catalog_keeps_every_login_waiting() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let held = connect(&url).await.unwrap();
    held.client()
        .simple_query("BEGIN; LOCK TABLE pg_catalog.pg_authid IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let begun = Instant::now();
    let ran = runs(plimsoll(&["doctor", &url, "--within", "2s"])).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?} {ran:?}", begun.elapsed());
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.error.contains("PL-CON-02") && ran.error.lines().count() == 1, "{ran:?}");
    held.client().simple_query("ROLLBACK").await.unwrap();
    let waits = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let end = Instant::now() + Duration::from_secs(15);
    while cluster.execute("postgres", waits).await.unwrap()[0]["n"] != "0" {
        assert!(Instant::now() < end, "a login is left waiting");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn connect(url: &str) -> Result<DirectConnection, plimsoll::Error> {
    let plan = Settings::default().url(url).check_direct().unwrap();
    DirectConnection::connect(plan, Duration::from_secs(10)).await
}

async fn until_nothing_is_left(db: &test_server::TestDatabase) {
    let end = Instant::now() + Duration::from_secs(15);
    while db.execute(SESSIONS).await.unwrap()[0]["n"] != "0" {
        assert!(Instant::now() < end, "a session is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
