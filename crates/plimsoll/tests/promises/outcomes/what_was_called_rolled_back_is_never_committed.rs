//! A statement of a transaction whose time was up, and whose end the server had not confirmed, was called rolled back.
//! It may finish well a moment later all the same; the transaction that it belongs to cannot be committed any more.

use crate::server;
use plimsoll::{Database, Fault, Outcome, deadline};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_by_whoever_ignores_the_error() {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE paid (n int)").await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("postgres")).pool_max(2)).await.unwrap();
    let frozen = Process::attach_tree(cluster.pid().unwrap()).unwrap();

    let tx = db.named("pay").begin().await.unwrap();
    tx.execute("INSERT INTO paid VALUES (1)", &[]).await.unwrap();
    frozen.freeze().await.unwrap();
    let insert = tx.execute("INSERT INTO paid VALUES (2)", &[]);
    let error = deadline::within(Duration::from_millis(150), insert).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::DeadlinePassed, Outcome::RolledBack), "{error}");
    // Thawed, the server reads the statement before it hears of any cancel.
    frozen.thaw().unwrap();

    let error = tx.commit().await.expect_err("it was called rolled back");
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::RolledBack), "{error}");
    assert!(error.to_string().contains("one of its statements had failed"), "{error}");
    server::until("the connection is home or gone", server::PATIENCE, async || {
        db.pool_status().checked_out == 0
    })
    .await;
    let rows = cluster.execute("postgres", "SELECT count(*) AS n FROM paid").await.unwrap();
    assert_eq!(rows[0]["n"], "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_statement_of_its_own_costs_no_connection() {
    let cluster = Cluster::start().await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("postgres")).pool_max(1)).await.unwrap();
    let frozen = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
    frozen.freeze().await.unwrap();
    let error =
        deadline::within(Duration::from_millis(150), db.query_one("SELECT 2", &[])).await.unwrap_err();
    assert_eq!(
        (error.fault(), error.outcome()),
        (Fault::DeadlinePassed, Outcome::NotStarted),
        "prepared and not run: {error}"
    );
    frozen.thaw().unwrap();
    db.query_one("SELECT 3", &[]).await.unwrap();
    assert_eq!(
        db.pool_status().opened,
        1,
        "the stop was confirmed after all, so the connection is as good as ever"
    );
}
