//! `plimsoll report`: all that the other commands find is on one page, in a form that no name can break; what a session runs is shown
//! without its constants; what is not on the page is told on it.

use super::html::is_whole;
use super::scene::{CONSTANT, MARKUP, PASSWORD, QUOTES, scene};
use crate::command::{output_of, plimsoll, program, ran, runs};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PoolMode};
use plimsoll_faults::{Cut, Direction, Fault, Proxy, When};
use plimsoll_inspect::checks::{Report, State};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_and_every_part_is_on_the_page() {
    let scene = scene().await;
    scene.until_blocked().await;
    let (run, page) = scene.report(&scene.url, &["--assume", "request=15s"]).await;
    assert_eq!((run.status, run.error.as_str()), (2, ""), "{run:?}");
    let read = is_whole(&page);
    let doctor = runs(plimsoll(&["doctor", &scene.url, "--role", "app", "--json"])).await;
    let doctor: Report = serde_json::from_str(&doctor.out).unwrap();
    for checked in &doctor.checks {
        assert!(read.says(&checked.id), "{} is not on the page", checked.id);
        for finding in checked.findings.iter().filter(|it| !matches!(it.state, State::Ok | State::Skipped)) {
            assert!(
                read.says(&format!("{} {} {}", finding.state, checked.id, finding.subject)),
                "{finding:?}"
            );
        }
    }
    for id in ["findings", "sessions", "statements", "tables", "indexes", "timeouts"] {
        assert!(read.elements.iter().any(|it| it.attribute("id") == Some(id)), "there is no part {id}");
    }
    // A table of the worst is three sentences, the worst first.
    assert!(page.find("class=\"worst\"").unwrap() < page.find("id=\"findings\"").unwrap());
    for told in
        ["1 session waits for another one", "update item set note = ? where id = ?", "request", "15 s"]
    {
        assert!(read.says(told), "{told}");
    }
    // Names are shown as they are, and are no markup: what is_whole has seen are the elements of the page itself.
    for name in [MARKUP, QUOTES] {
        let quoted = name.replace('"', "\"\"");
        assert!(read.says(&format!("public.\"{quoted}\"")), "{name}");
    }
    assert!(!page.contains(CONSTANT) && !page.contains(PASSWORD) && !run.out.contains(PASSWORD));
    let (whole, page) = scene.report(&scene.url, &["--with-constants"]).await;
    assert_eq!(whole.status, 2, "{whole:?}");
    assert!(is_whole(&page).says(&format!("UPDATE item SET note = '{CONSTANT}' WHERE id = 1")));
    assert!(!page.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_look_is_told_nothing_well_that_it_did_not_see() {
    let scene = scene().await;
    scene.until_blocked().await;
    let url = scene.url.replace("//admin:", "//plain:");
    let (run, page) = scene.report(&url, &[]).await;
    let read = is_whole(&page);
    for told in [
        "Sessions of other roles are hidden from this one: GRANT pg_read_all_stats shows them.",
        "GRANT pg_monitor TO plain",
        "asked as plain",
    ] {
        assert!(read.says(told), "{told} {run:?}");
    }
    assert!(!read.says("No session waits for another one."));
    assert!(!page.contains(CONSTANT));
}

/// A wire on which the first question with this in it goes to nowhere, and the client is not told; and the URL that leads through it.
async fn losing(db: &TestDatabase, question: &str) -> (Proxy, String) {
    let wire = Proxy::in_front_of(("127.0.0.1", db.server().port())).await.unwrap();
    wire.set_once(
        Fault::on_message(Direction::ToServer, b'Q', question, When::Before).ending(Cut::ServerGone),
    );
    let url = db.url().replace(&format!(":{}/", db.server().port()), &format!(":{}/", wire.port()));
    (wire, url)
}

async fn until_nothing_is_left(db: &TestDatabase) {
    let left = "SELECT count(*)::text AS n FROM pg_stat_activity WHERE application_name = 'plimsoll report' AND datname = current_database()";
    let end = Instant::now() + Duration::from_secs(15);
    while db.execute(left).await.unwrap()[0]["n"] != "0" {
        assert!(Instant::now() < end, "a session is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answering_in_the_midst_of_the_checks_gives_a_page_too() {
    let db = test_server::database().await.unwrap();
    let (wire, url) = losing(&db, "pg_db_role_setting").await;
    let begun = Instant::now();
    let run = runs(plimsoll(&["report", &url, "-o", "-", "--within", "3s"])).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?} {run:?}", begun.elapsed());
    assert_eq!(run.status, 3, "nothing was looked at");
    let read = is_whole(&run.out);
    for told in [
        "not known Nothing was found, and not all was looked at.",
        "partial Not on this page: some of the checks: the time for all checks was over before it was answered.",
        "partial Not on this page: statements, the sizes of tables, the waste in tables, what autovacuum does, indexes, time \
         limits: nothing more could be asked: ",
    ] {
        assert!(read.says(told), "{told}: {}", read.text);
    }
    for well in ["not known sessions:", "There is none", "Nothing was found that wants", "ok 1"] {
        assert!(!read.says(well), "{}", read.text);
    }
    assert!(wire.accepted() <= 2, "the connection, and the cancel");
    until_nothing_is_left(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_somebody_who_does_not_want_to_wait_gets_no_page() {
    let db = test_server::database().await.unwrap();
    let (wire, url) = losing(&db, "pg_db_role_setting").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let mut report = plimsoll(&["report", &url, "-o", file.to_str().unwrap(), "--within", "10min"]);
    let mut report = report.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wire.until_struck(1).await;
    kill_process(Pid::from_raw(report.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || report.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nor anything else");
    until_nothing_is_left(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answering_gives_a_page_of_what_was_known_by_the_deadline() {
    let db = test_server::database().await.unwrap();
    let (wire, url) = losing(&db, "pg_total_relation_size").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let begun = Instant::now();
    let run = runs(plimsoll(&["report", &url, "-o", file.to_str().unwrap(), "--within", "6s"])).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?} {run:?}", begun.elapsed());
    assert_ne!(run.status, 0, "not all was looked at: {run:?}");
    assert!(run.out.contains("not on it: the sizes of tables: the time for the page was over"), "{run:?}");
    let page = std::fs::read_to_string(&file).unwrap();
    let read = is_whole(&page);
    for told in [
        "partial Not on this page: the sizes of tables: the time for the page was over before it was answered.",
        "partial Not on this page: the waste in tables, what autovacuum does, indexes, time limits: nothing more could be asked",
        "not known time limits: nothing more could be asked",
    ] {
        assert!(read.says(told), "{told}: {}", read.text);
    }
    assert!(read.says("Sessions at this moment"), "what came before is there");
    assert!(wire.accepted() <= 2, "the connection, and the cancel");
    until_nothing_is_left(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_pooler_the_page_says_so_and_its_checks_and_limits_are_on_it() {
    let db = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&db).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let (url, console) = (bouncer.url(db.name()), bouncer.url("pgbouncer"));
    let run = runs(plimsoll(&["report", &url, "-o", "-", "--pooler", &console])).await;
    let read = is_whole(&run.out);
    for told in [", through PgBouncer 1.", "query_wait_timeout", "PgBouncer"] {
        assert!(read.says(told), "{told} {run:?}");
    }
    assert!(!read.says("Not on this page"), "{}", read.text);
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.html");
    std::fs::write(&notes, "mine").unwrap();
    let run = output_of(&["report", "postgres://nobody@127.0.0.1:1/x", "-o", notes.to_str().unwrap()]);
    assert_eq!((run.status, run.out.as_str()), (3, ""));
    assert!(run.error.contains("is no page of plimsoll, so it is left alone"), "{run:?}");
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
}

/// A limit on the size of files stands for a disk that is full: both refuse a write in the midst of the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_fit_leaves_the_one_before() {
    let db = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let path = file.to_str().unwrap();
    let first = runs(plimsoll(&["report", &db.url(), "-o", path])).await;
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(first.out.starts_with(&format!("{path}: ")), "{first:?}");
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" report \"$1\" -o \"$2\"";
    let mut command = program("sh", &["-c", script, env!("CARGO_BIN_EXE_plimsoll"), &db.url(), path]);
    let run = tokio::task::spawn_blocking(move || ran(&mut command)).await.unwrap();
    assert_eq!(run.status, 3, "{run:?}");
    assert!(
        run.error.contains("page.html could not be written; what was there before is as it was: "),
        "{run:?}"
    );
    assert_eq!(run.error.lines().count(), 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let piped = runs(plimsoll(&["report", &db.url(), "-o", "-"])).await;
    is_whole(&piped.out);
}
