//! The program in a real terminal, driven by keys, before a real pile-up.

use super::terminal::Terminal;
use crate::server_sessions::{begin, session};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error};

/// As a service on Plimsoll calls a session while it works.
const HOLDER: &str = "orders@web-3:4711 #3fa9c0d2 nightly report";

struct Pile {
    cluster: Cluster,
    holder: Client,
    waiters: Vec<JoinHandle<Result<(), Error>>>,
}

impl Pile {
    async fn up() -> Self {
        let cluster = Cluster::start().await.unwrap();
        let url = cluster.url("postgres");
        let holder = session(&url, HOLDER).await;
        holder.batch_execute("CREATE TABLE orders (a integer); INSERT INTO orders VALUES (1)").await.unwrap();
        holder.batch_execute("BEGIN; UPDATE orders SET a = 2").await.unwrap();
        let waiters = vec![
            begin(&url, "checkout@web-1:88 #77aa01bc pay", "UPDATE orders SET a = 3").await,
            begin(&url, "migration", "ALTER TABLE orders ADD note text").await,
            begin(&url, "list", "SELECT * FROM orders").await,
        ];
        Pile { cluster, holder, waiters }
    }
}

async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_pile_is_seen_filtered_and_ended() {
    let pile = Pile::up().await;
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let (url, file) = (pile.cluster.url("postgres"), audit.to_str().unwrap().to_owned());
    off_the_runtime(move || {
        let top = Terminal::start(80, 24, &["top", "-d", &url, "--every", "200ms", "--audit", &file]);
        let screen = top.shows("3 sessions wait for another:");
        assert!(screen.contains("orders nightly report holds up 3: idle in its transaction"), "{screen}");
        assert!(screen.contains("checkout pay: waits"), "{screen}");
        assert!(screen.contains("Lock/relation 2  Lock/transactionid 1"), "{screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");

        top.press(&["/", "m", "i", "g", "r"]);
        let screen = top.shows("1 of 4 sessions with \"migr\"");
        assert!(screen.contains("filter: migr_"), "{screen}");
        // It is cancelled only after a yes.
        top.press(&["Enter", "c"]);
        let screen = top.shows("Cancel the statement of session");
        assert!(screen.contains("rolled back") && screen.contains("itself held up by"), "{screen}");
        top.press(&["n"]);
        top.shows("was left alone");
        top.press(&["c"]);
        top.shows("Cancel the statement of session");
        top.press(&["y"]);
        top.shows("has ended");
        top.press(&["Escape"]);
        // The SELECT stood behind the migration only.
        top.shows("1 session waits for another:");

        // The one that all wait for is ended, from its detail.
        top.press(&["/", "n", "i", "g", "h", "t", "l", "y", "Enter"]);
        top.until("only the holder is listed", |screen| screen.contains("1 of 2 sessions"));
        top.press(&["Enter"]);
        let screen = top.shows("web-3:4711");
        assert!(screen.contains("3fa9c0d2") && screen.contains("nightly report"), "{screen}");
        top.press(&["t"]);
        let screen = top.shows("End session");
        assert!(screen.contains("with changes to") && screen.contains("orders;"), "{screen}");
        top.press(&["y"]);
        top.until("no session waits", |screen| {
            !screen.contains("for another:") && screen.contains("has ended")
        });
        top.press(&["q"]);
        top.shows("ended with 0");
    })
    .await;
    let mut ended: Vec<String> = Vec::new();
    for waiter in pile.waiters {
        let code = waiter.await.unwrap().err().and_then(|error| Some(error.code()?.code().to_owned()));
        ended.push(code.unwrap_or_default());
    }
    assert_eq!(ended, ["", "57014", ""], "one was cancelled, the others went on");
    assert!(pile.holder.batch_execute("COMMIT").await.is_err(), "the holder was ended");
    let lines = std::fs::read_to_string(audit).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("pg_cancel_backend") && lines.contains("pg_terminate_backend"), "{lines}");
}

#[tokio::test]
async fn a_frozen_server_is_told_of_and_comes_back() {
    let pile = Pile::up().await;
    let url = pile.cluster.url("postgres");
    let top = off_the_runtime(move || {
        let top =
            Terminal::start(80, 24, &["top", "-d", &url, "--every", "200ms", "--connect-timeout", "2s"]);
        top.shows("3 sessions wait for another:");
        // While it is paused the screen stays.
        top.press(&["Space"]);
        top.shows("PAUSED at");
        top.press(&["Space"]);
        top.until("it goes on", |screen| !screen.contains("PAUSED"));
        top
    })
    .await;
    // A table of the catalog that the question needs is locked: said, and over with the lock.
    let locker = session(&pile.cluster.url("postgres"), "locker").await;
    locker.batch_execute("BEGIN; LOCK pg_database IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let top = off_the_runtime(move || {
        top.shows("a table of the catalog is locked by another session");
        top
    })
    .await;
    locker.batch_execute("ROLLBACK").await.unwrap();
    let top = off_the_runtime(move || {
        top.until("it is answered again", |screen| !screen.contains("NO ANSWER"));
        top
    })
    .await;
    drop(locker);
    let frozen = Process::attach_tree(pile.cluster.pid().unwrap()).unwrap();
    frozen.freeze().await.unwrap();
    let top = off_the_runtime(move || {
        let screen = top.shows("NO ANSWER for");
        assert!(screen.contains("the last one came at"), "{screen}");
        assert!(screen.contains("3 sessions wait for another:"), "what was seen last stays: {screen}");
        top.press(&["t"]);
        top.shows("no session can be stopped");
        top
    })
    .await;
    frozen.thaw().unwrap();
    let top = off_the_runtime(move || {
        top.until("it is answered again", |screen| !screen.contains("NO ANSWER"));
        top
    })
    .await;
    // What it left behind while the server hung has ended by its own limit: two sessions at the most.
    let looker = session(&pile.cluster.url("postgres"), "looker").await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'plimsoll top'";
    let count: i64 = looker.query_one(count, &[]).await.unwrap().get(0);
    assert!((1..=2).contains(&count), "{count}");
    pile.cluster.restart(plimsoll_embedded::StopMode::Immediate).await.unwrap();
    off_the_runtime(move || {
        top.until("the server has come back without its sessions", |screen| {
            !screen.contains("NO ANSWER") && !screen.contains("for another:") && screen.contains("idle")
        });
        top.press(&["C-c"]);
        top.shows("ended with 0");
    })
    .await;
}

/// With a wide terminal the names are whole, and a terminal that says NO_COLOR is sent none.
#[tokio::test]
async fn a_wide_terminal_shows_whole_names() {
    let pile = Pile::up().await;
    let url = pile.cluster.url("postgres");
    off_the_runtime(move || {
        let top = Terminal::start(160, 40, &["top", "-d", &url, "--every", "200ms"]);
        let screen = top.shows("orders@web-3:4711 nightly report");
        assert!(screen.contains("Lock/transactionid of "), "{screen}");
    })
    .await;
    tokio::time::timeout(Duration::from_secs(15), pile.holder.batch_execute("COMMIT"))
        .await
        .unwrap()
        .unwrap();
    for waiter in pile.waiters {
        waiter.await.unwrap().unwrap();
    }
}

/// A terminal that is closed ends the program in it; nothing goes on reading what is not there.
#[tokio::test]
async fn a_terminal_that_is_gone_ends_it() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    off_the_runtime(move || {
        let top = Terminal::start(80, 24, &["top", "-d", &url, "--every", "200ms"]);
        top.shows("connections");
        let programs = top.programs();
        assert_eq!(programs.len(), 1, "{programs:?}");
        drop(top);
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while programs.iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}/exe")).exists()) {
            assert!(std::time::Instant::now() < until, "{programs:?} go on without a terminal");
            std::thread::sleep(Duration::from_millis(50));
        }
    })
    .await;
}
