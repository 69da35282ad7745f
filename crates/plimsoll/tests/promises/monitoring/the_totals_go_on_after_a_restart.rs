//! The totals of the monitor go on after a restart where they are kept in a file; what is wrong with the file costs no
//! call, and nothing that lies there is overwritten.

use crate::log::Log;
use crate::server::{PATIENCE, settings_for, until};
use plimsoll::Database;
use plimsoll_embedded::test_server;
use std::path::Path;

/// Statements, acquisitions and times of statements in the snapshot of this handle.
fn totals(db: &Database) -> (u64, u64, u64) {
    let now = db.snapshot();
    (now.statements.executed, now.pool_metrics.total_acquisitions, now.durations.server.count)
}

async fn ask(db: &Database, times: u64) {
    for _ in 0..times {
        db.query("SELECT 1", &[]).await.unwrap();
    }
}

async fn kept_in(file: &Path) -> (impl Sized, Database) {
    let fresh = test_server::database().await.unwrap();
    let settings = settings_for(&fresh).await.monitor_counters(file.to_str().unwrap());
    let db = Database::connect(settings).await.unwrap();
    (fresh, db)
}

#[tokio::test]
async fn from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("totals.json");
    for run in 1..=3 {
        let (_fresh, db) = kept_in(&file).await;
        ask(&db, 5).await;
        let has_all = async || totals(&db) == (run * 5, run * 5, run * 5);
        until("the totals of the earlier runs are in it", PATIENCE, has_all).await;
        db.close().await;
    }
}

#[tokio::test]
async fn when_the_last_handle_is_dropped_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("totals.json");
    let (_fresh, db) = kept_in(&file).await;
    ask(&db, 4).await;
    drop(db);
    let is_written =
        async || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"executed\":4"));
    until("the totals are written", PATIENCE, is_written).await;
}

#[tokio::test]
async fn while_two_pools_want_one_file_each_counts_and_the_second_takes_it_over() {
    let (log, _guard) = Log::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("totals.json");
    let (_one, first) = kept_in(&file).await;
    until("the first has the file", PATIENCE, async || file.exists()).await;
    let (_other, second) = kept_in(&file).await;
    until("the second says so", PATIENCE, async || log.text().contains("another pool has it")).await;
    ask(&first, 3).await;
    ask(&second, 2).await;
    assert_eq!((totals(&first).0, totals(&second).0), (3, 2));
    first.close().await;
    second.close().await;
    let (_fresh, third) = kept_in(&file).await;
    until("both are in the file", PATIENCE, async || totals(&third).0 == 5).await;
}

#[tokio::test]
async fn a_file_of_something_else_is_moved_aside() {
    let (log, _guard) = Log::start();
    for strange in [&b"my thesis"[..], b"", &[0xff, 0xfe], b"[1, 2]", b"{\"executed\": 3}", &[b'1'; 2 << 20]]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("totals.json");
        std::fs::write(&file, strange).unwrap();
        let (_fresh, db) = kept_in(&file).await;
        ask(&db, 1).await;
        db.close().await;
        assert_eq!(std::fs::read(folder.path().join("totals.json.unreadable")).unwrap(), strange);
        assert!(std::fs::read_to_string(&file).unwrap().contains("\"executed\":1"));
    }
    assert!(log.text().contains("held no totals"), "{}", log.text());
}

#[tokio::test]
async fn a_folder_that_is_not_there_costs_no_call() {
    let (log, _guard) = Log::start();
    let (_fresh, db) = kept_in(Path::new("/nowhere/at/all/totals.json")).await;
    ask(&db, 2).await;
    until("the log says so", PATIENCE, async || log.text().contains("/nowhere/at/all/totals.json")).await;
    assert_eq!(totals(&db).0, 2);
    db.close().await;
    assert_eq!(log.text().matches("are not kept").count(), 1, "told once: {}", log.text());
}
