//! A listener has one connection of its own, named for what it is, that takes no place in the pool. It ends when the
//! listener is dropped or the pool is closed, and only then.

use super::{begin, notification, try_next};
use crate::ledger;
use crate::server::{self, PATIENCE, bare, text, until};
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_faults::{Direction, Fault as Broken};
use std::time::{Duration, Instant};

/// How many sessions of listeners the server has in this database.
async fn sessions(fresh: &TestDatabase) -> String {
    let count = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name LIKE '%(listener)'";
    text(fresh, count).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_it_leaves_no_session() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).application_name("x".repeat(63));
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    assert_eq!(db.pool_status().total_connections, 1, "it takes no place in the pool");
    assert_eq!(sessions(&fresh).await, "1", "and is named for what it is, however long the program's name");
    let pid = listener.backend_pid().expect("a connection");
    let found = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'idle'");
    assert_eq!(text(&fresh, &found).await, "1");
    drop(listener);
    until("the session ends", PATIENCE, async || sessions(&fresh).await == "0").await;
    lease.query("SELECT 1", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_that_is_dropped_before_it_listens() {
    let fresh = test_server::database().await.unwrap();
    let (wire, url) = ledger::wire(&fresh).await;
    let db = Database::connect(server::settings(&url)).await.unwrap();
    wire.set(Broken::delay(Direction::Both, Duration::from_millis(20)));
    for round in 0..20_u64 {
        let listening = tokio::time::timeout(Duration::from_millis(10 * round), db.listen(["news"]));
        drop(listening.await);
    }
    until("no session is left", PATIENCE, async || sessions(&fresh).await == "0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_pool_ends_it() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("NOTIFY news, 'last'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "last");
    db.close().await;
    assert_eq!(sessions(&fresh).await, "0", "close has waited for it");
    assert_eq!(try_next(&mut listener).await.unwrap(), None);
    assert_eq!(try_next(&mut listener).await.unwrap(), None);
    assert!(!listener.is_listening());
    assert_eq!(listener.add("more").await.unwrap_err().fault(), Fault::PoolClosed);
    assert_eq!(db.listen(["news"]).await.unwrap_err().fault(), Fault::PoolClosed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_the_wire_leads_nowhere() {
    let fresh = test_server::database().await.unwrap();
    let (wire, url) = ledger::wire(&fresh).await;
    let settings = server::settings(&url).listen_keepalive(Duration::from_millis(100));
    let db = Database::connect(settings).await.unwrap();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    wire.set(Broken::blackhole(Direction::Both));
    until("the loss is noticed", PATIENCE, async || !listener.is_listening()).await;
    let asked = Instant::now();
    db.close().await;
    assert!(asked.elapsed() < Duration::from_secs(5), "closed after {:?}", asked.elapsed());
    assert_eq!(try_next(&mut listener).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_it_outlives_the_last_handle() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    drop(db);
    let writer = bare(&fresh.url()).await;
    writer.batch_execute("NOTIFY news, 'still'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "still");
}

/// A task that is gone with its runtime says so, and does not leave its reader waiting for ever.
#[test]
fn and_one_whose_runtime_is_gone_says_so() {
    let of_test = tokio::runtime::Runtime::new().unwrap();
    let of_pool = tokio::runtime::Runtime::new().unwrap();
    let fresh = of_test.block_on(test_server::database()).unwrap();
    let mut listener = of_pool.block_on(async {
        let db = server::database(&fresh).await;
        let mut listener = db.listen(["news"]).await.unwrap();
        begin(&mut listener).await;
        listener
    });
    drop(of_pool);
    of_test.block_on(async {
        let error = try_next(&mut listener).await.unwrap_err();
        assert_eq!(error.fault(), Fault::PoolClosed, "{error}");
        assert!(error.sentence().contains("runtime"), "{error}");
        assert_eq!(try_next(&mut listener).await.unwrap(), None, "once");
    });
}
