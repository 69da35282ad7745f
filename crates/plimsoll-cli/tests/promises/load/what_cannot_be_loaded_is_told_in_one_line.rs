//! Junk options, files and servers that are not there: one line, and the status of what could not be found out.

use crate::command::plimsoll_of;
use plimsoll_embedded::test_server;

async fn is_refused(arguments: &[&str], because: &str) {
    let run = plimsoll_of(arguments).await;
    assert_eq!(
        (run.status, run.error.lines().count(), run.out.as_str()),
        (3, 1, ""),
        "{arguments:?}: {run:?}"
    );
    assert!(run.error.contains(because), "{arguments:?}: {run:?}");
    assert!(!run.error.contains("hunter2"), "{run:?}");
}

#[tokio::test]
async fn of_a_service() {
    is_refused(
        &["load", "http", "http://127.0.0.1:1/", "--for", "1s"],
        "127.0.0.1:1 cannot be reached: no connection",
    )
    .await;
    is_refused(&["load", "http"], "what is to be called?").await;
    is_refused(&["load", "http", "postgres://a:hunter2@b/c"], "begins with http://").await;
    is_refused(&["load", "http", "http://u:hunter2@127.0.0.1/"], "no user and password").await;
    is_refused(&["load", "http", "http://a", "--rate", "0"], "calls a second").await;
    is_refused(&["load", "http", "http://a", "--rate", "NaN"], "calls a second").await;
    is_refused(&["load", "http", "http://a", "--for", "1"], "write it with its unit").await;
    is_refused(&["load", "http", "http://a", "--rounds", "0"], "--rounds").await;
    is_refused(&["load", "http", "http://a", "--arrivals", "sometimes"], "constant").await;
    is_refused(&["load", "http", "http://127.0.0.1", "-H", "nonsense"], "write a header as").await;
    is_refused(&["load", "http", "http://127.0.0.1", "-H", "@/nonexistent"], "cannot be read").await;
    is_refused(&["load", "http", "--targets-file", "/nonexistent"], "cannot be read").await;
    is_refused(&["load", "http", "-t", "1 2 3 4"], "WEIGHT METHOD URL").await;
    is_refused(&["load", "http", "http://127.0.0.1", "-X", "G T"], "no method of HTTP").await;
    // A load on another machine is asked for, and there is no terminal to answer at.
    is_refused(&["load", "http", "http://orders.invalid/"], "orders.invalid is not this machine").await;
    is_refused(&["load", "http", "http://orders.invalid/", "--junk"], "--junk").await;
}

#[tokio::test]
async fn of_a_database() {
    let away = "postgres://a:hunter2@127.0.0.1:1/b";
    is_refused(&["load", "sql", "-c", "SELECT 1", "-d", away], "127.0.0.1:1").await;
    is_refused(&["load", "pool-size", "-d", away], "127.0.0.1:1").await;
    is_refused(&["load", "sql", "-d", away], "what is to be run?").await;
    is_refused(&["load", "sql", "-c", " ", "-d", away], "a statement is empty").await;
    is_refused(&["load", "sql", "--file", "/nonexistent", "-d", away], "cannot be read").await;
    is_refused(&["load", "pool-size", "-c", "SELECT 1", "--read-only", "-d", away], "--read-only").await;
    let db = test_server::database().await.unwrap();
    let url = db.url();
    is_refused(&["load", "sql", "-c", "SELEKT 1", "-d", &url, "--yes"], "syntax error").await;
    is_refused(&["load", "sql", "-c", "SELECT 1/0", "-d", &url, "--yes"], "division by zero").await;
    is_refused(
        &["load", "sql", "-c", "SELECT $1::int", "-d", &url, "--yes"],
        "has parameters: write values in their places",
    )
    .await;
    is_refused(&["load", "pool-size", "-c", "SELECT * FROM none", "-d", &url, "--yes"], "does not exist")
        .await;
    // Another session works there, and there is no terminal to ask at.
    let other = crate::server_sessions::session(&url, "orders").await;
    is_refused(
        &["load", "sql", "-c", "SELECT 1", "-d", &url],
        "others are connected to this database: orders (1)",
    )
    .await;
    is_refused(&["load", "pool-size", "-d", &url], "orders (1)").await;
    drop(other);
}

#[tokio::test]
async fn and_several_statements_are_one_call() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE counted (n int)").await.unwrap();
    let url = db.url();
    let sql = "INSERT INTO counted VALUES (1); INSERT INTO counted VALUES (2);";
    let shape = ["--for", "500ms", "--rounds", "1", "--warm-up", "0s", "--rate", "20", "--yes", "--json"];
    let run = plimsoll_of(&[["load", "sql", "-c", sql, "-d", &url].as_slice(), &shape].concat()).await;
    assert_eq!(run.status, 0, "{run:?}");
    let answered = super::service::report(&run.out)["answered"].as_u64().unwrap();
    let rows = db.execute("SELECT count(*) AS n FROM counted").await.unwrap();
    // The look before the load is a call too.
    assert_eq!(rows[0]["n"], ((answered + 1) * 2).to_string());
}
