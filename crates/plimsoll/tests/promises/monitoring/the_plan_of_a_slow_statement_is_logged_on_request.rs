//! On request the plan of a slow statement is logged too: of one that can be explained, without running it again, without
//! a constant, and never by a connection that a caller waits for. Without the request no plan is asked for.

use crate::log::Log;
use crate::server::{self, settings_for, until};
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::Duration;

async fn started(change: impl FnOnce(Settings) -> Settings) -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let settings = settings_for(&fresh).await.slow_log_after(Duration::from_millis(10)).slow_log_plan(true);
    let db = Database::connect(change(settings)).await.unwrap();
    db.acquire()
        .await
        .unwrap()
        .batch_execute("CREATE TABLE piece (id int PRIMARY KEY, note text)")
        .await
        .unwrap();
    (fresh, db)
}

const PLAN: &str = "plimsoll::slow: plan of a slow statement";

async fn told(log: &Log, part: &str) -> String {
    until(part, server::PATIENCE, async || !log.lines(&[part]).is_empty()).await;
    log.lines(&[part]).remove(0)
}

#[tokio::test]
async fn without_running_it_and_without_a_constant() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    let sql = "SELECT * FROM pg_sleep(0.02) LEFT JOIN \
               (SELECT * FROM piece WHERE note = 'planted' OR id > 4711) AS found ON true";
    db.query(sql, &[]).await.unwrap();
    db.query("INSERT INTO piece SELECT 1, 'planted' FROM pg_sleep(0.02)", &[]).await.unwrap();
    until("both plans", server::PATIENCE, async || log.lines(&[PLAN]).len() == 2).await;
    let plan = log.lines(&[PLAN, "piece"]).remove(0);
    assert!(plan.contains("Seq Scan on piece (cost "), "{plan}");
    assert!(plan.contains("filter ((note = ?::text) or (id > ?))"), "{plan}");
    let statement = log.lines(&["slow statement, ", "note = ?"]).remove(0);
    let fingerprint = statement.split("fingerprint=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(plan.contains(fingerprint), "{plan} of {statement}");
    assert!(!log.text().contains("planted") && !log.text().contains("4711"), "{}", log.text());
    let rows = db.query("SELECT id FROM piece", &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "it was inserted once");
}

#[tokio::test]
async fn a_statement_with_parameters_has_a_generic_plan_from_16_on() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    db.query(
        "SELECT pg_sleep(0.02), (SELECT note FROM piece WHERE id = $2 AND note = $1)",
        &[&"planted", &4711],
    )
    .await
    .unwrap();
    let version = db.acquire().await.unwrap().server_version();
    match version >= 160_000 {
        true => {
            let plan = told(&log, PLAN).await;
            assert!(plan.contains(" on piece (cost") && plan.contains("id = ?"), "{plan}");
            assert!(!log.text().contains("planted"), "{}", log.text());
        }
        false => {
            told(&log, "it has parameters, and the server is older than 16").await;
            assert!(log.lines(&[PLAN]).is_empty());
        }
    }
}

#[tokio::test]
async fn what_cannot_be_explained_is_not_and_nothing_is_without_a_request() {
    let (_fresh, db) = started(|settings| settings).await;
    let (log, _guard) = Log::start();
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("SELECT pg_sleep(0.02); SELECT 2").await.unwrap();
    lease.batch_execute("DO $$ BEGIN PERFORM pg_sleep(0.02); END $$").await.unwrap();
    drop(lease);
    // Asked for after those two, so that its plan is told after theirs would have been.
    db.query("SELECT pg_sleep(0.02)", &[]).await.unwrap();
    told(&log, PLAN).await;
    // On a busy machine the question for the plan may be slow too.
    let slow =
        log.lines(&["slow statement, "]).into_iter().filter(|line| !line.contains("statement=explain"));
    assert_eq!(slow.count(), 3, "{}", log.text());
    assert_eq!(log.lines(&["plimsoll::slow: plan of a slow statement"]).len(), 1, "{}", log.text());

    let (_fresh, db) = started(|settings| settings.slow_log_plan(false)).await;
    let (log, _guard) = Log::start();
    db.query("SELECT pg_sleep(0.02)", &[]).await.unwrap();
    db.close().await;
    let kinds = db.monitor().query_performance(usize::MAX);
    assert!(!kinds.iter().any(|kind| kind.query_template.starts_with("explain")), "{kinds:#?}");
    assert!(log.text().contains("slow statement, ") && !log.text().contains("plan of"), "{}", log.text());
}

#[tokio::test]
async fn a_plan_that_has_to_wait_is_given_up_and_keeps_no_caller_waiting() {
    let (_fresh, db) = started(|settings| settings.pool_max(3)).await;
    let (log, _guard) = Log::start();
    let holder = db.acquire().await.unwrap();
    db.query("SELECT pg_sleep(0.02)", &[]).await.unwrap();
    told(&log, PLAN).await;
    holder.batch_execute("BEGIN; LOCK TABLE piece IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waits = db.named("waits").lock_timeout(Duration::from_millis(100));
    waits.query("SELECT pg_sleep(0.02), 1, 1 FROM piece", &[]).await.unwrap_err();
    assert_eq!(db.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    let none = told(&log, "no plan of a slow statement: the server gave none within 1.0 s").await;
    assert!(none.contains("fingerprint="), "{none}");
    holder.batch_execute("ROLLBACK").await.unwrap();
}
