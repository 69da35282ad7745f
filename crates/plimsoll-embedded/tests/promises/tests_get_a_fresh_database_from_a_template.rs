//! One server a run, one database a test: empty or copied from a template, alone in it, and gone afterwards.

use plimsoll_embedded::test_server;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SHOP: &str = "CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1), (2)";

async fn names(database: &test_server::TestDatabase) -> Vec<String> {
    let rows = database.execute("SELECT datname FROM pg_database").await.unwrap();
    rows.into_iter().map(|row| row["datname"].clone()).collect()
}

#[tokio::test]
async fn a_database_is_empty_and_named_after_its_test() {
    let database = test_server::database().await.unwrap();
    assert!(database.name().contains("a_database_is_empty"), "{}", database.name());
    let tables = database.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'").await.unwrap();
    assert!(tables.is_empty());
}

#[tokio::test]
async fn two_databases_of_one_template_do_not_see_each_other() {
    let a = test_server::database_from("shop", SHOP).await.unwrap();
    let b = test_server::database_from("shop", SHOP).await.unwrap();
    a.execute("DELETE FROM item").await.unwrap();
    let left = b.execute("SELECT count(*) AS n FROM item").await.unwrap();
    assert_eq!(left[0]["n"], "2");
}

#[tokio::test]
async fn a_database_goes_with_its_guard_even_while_somebody_is_connected() {
    let watcher = test_server::database().await.unwrap();
    let database = test_server::database().await.unwrap();
    let name = database.name().to_owned();
    let url = database.url();
    let sleeper = std::process::Command::new("psql").args([&url, "-c", "SELECT pg_sleep(60)"]).spawn();
    assert!(names(&watcher).await.contains(&name));
    drop(database);
    let end = Instant::now() + Duration::from_secs(30);
    while names(&watcher).await.contains(&name) {
        assert!(Instant::now() < end, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if let Ok(mut sleeper) = sleeper {
        sleeper.wait().unwrap();
    }
}

/// The server has asked who it is, and waits for an answer as long as the client's runtime neither goes on nor ends.
async fn login_under_way(database: &test_server::TestDatabase) -> TcpStream {
    let server = database.server();
    let mut login = TcpStream::connect((server.host(), server.port())).await.unwrap();
    let said = format!("user\0{}\0database\0{}\0\0", server.superuser(), database.name());
    login.write_u32(8 + u32::try_from(said.len()).unwrap()).await.unwrap();
    login.write_u32(3 << 16).await.unwrap();
    login.write_all(said.as_bytes()).await.unwrap();
    assert_eq!(login.read_u8().await.unwrap(), b'R', "the server asks for a proof");
    login
}

#[tokio::test]
async fn a_login_that_was_under_way_at_the_end_of_a_test_is_not_waited_for() {
    let watcher = test_server::database().await.unwrap();
    let ended = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = test_server::database().await.unwrap();
            let login = login_under_way(&database).await;
            // As a pool's task would, it ends with the runtime.
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(login);
            });
            (database.name().to_owned(), Instant::now())
        })
    });
    let (name, began_to_end) = ended.join().unwrap();
    let took = began_to_end.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?} to the end of the thread");
    assert!(!names(&watcher).await.contains(&name), "it is gone with the thread");
}

#[tokio::test]
async fn a_changed_setup_is_another_template() {
    let old = test_server::database_from("changing", "CREATE TABLE old ()").await.unwrap();
    let new = test_server::database_from("changing", "CREATE TABLE new ()").await.unwrap();
    old.execute("SELECT FROM old").await.unwrap();
    new.execute("SELECT FROM new").await.unwrap();
    new.execute("SELECT FROM old").await.unwrap_err();
}

#[tokio::test]
async fn a_setup_that_fails_says_which_and_is_tried_again() {
    let error = test_server::database_from("broken", "CREATE TABLE a (); SELECT 1/0").await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("\"broken\"") && said.contains("division by zero"), "{said}");

    // A server that the run before has left would still have its template.
    let this_run = std::process::id().to_string();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    for expected_to_work in [false, true, true] {
        let made = test_server::database_made_by("program", &this_run, async |url: String| {
            assert!(url.starts_with("postgresql://"));
            if RUNS.fetch_add(1, Ordering::SeqCst) == 0 { Err("not today") } else { Ok(()) }
        })
        .await;
        assert_eq!(made.is_ok(), expected_to_work);
    }
    assert!(RUNS.load(Ordering::SeqCst) <= 2, "a finished template is not made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_are_all_served() {
    let ask = |_| tokio::spawn(async { test_server::database_from("race", SHOP).await.unwrap() });
    let asked: Vec<_> = (0..8).map(ask).collect();
    let mut names = Vec::new();
    for database in asked {
        names.push(database.await.unwrap().name().to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}
