//! A lease or a request that writes twice outside a transaction is counted, and told with both places in the source where
//! that is asked for. One write, writes in a transaction, and writes that changed nothing are no matter.

use crate::server::settings_for;
use plimsoll::event::Event;
use plimsoll::request_id::{self, RequestId};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, deadline};
use plimsoll_embedded::test_server;
use tokio::sync::broadcast::Receiver;

const INSERT: &str = "INSERT INTO t VALUES (1)";

async fn started(audit: Option<Enforcement>) -> (impl Sized, Database) {
    let fresh = test_server::database().await.unwrap();
    let settings = settings_for(&fresh).await;
    let settings = match audit {
        Some(audit) => settings.write_audit(audit),
        None => settings,
    };
    let db = Database::connect(settings).await.unwrap();
    db.batch_execute_once("CREATE TABLE t (a int)").await;
    (fresh, db)
}

trait Once {
    async fn batch_execute_once(&self, sql: &str);
    fn found(&self) -> u64;
}

impl Once for Database {
    async fn batch_execute_once(&self, sql: &str) {
        self.acquire().await.unwrap().batch_execute(sql).await.unwrap();
    }

    fn found(&self) -> u64 {
        self.snapshot().statements.unwrapped_multi_writes
    }
}

/// What was told so far: who wrote, who wrote first, and in which request.
fn told(events: &mut Receiver<Event>) -> Vec<(String, String, Option<String>)> {
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::UnwrappedMultiWrite { work, first, request } = event {
            told.push((work, first, request));
        }
    }
    told
}

#[tokio::test]
async fn of_one_lease() {
    let (_fresh, db) = started(Some(Enforcement::On)).await;
    let mut events = db.events();
    for round in 1..=2 {
        let lease = db.named("order").acquire().await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        assert_eq!((told(&mut events), db.found()), (Vec::new(), round - 1), "one write");
        lease.execute("UPDATE t SET a = a + $1", &[&1_i32]).await.unwrap();
        lease.execute("DELETE FROM t WHERE a = 1", &[]).await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        let found = told(&mut events);
        assert_eq!((found.len(), db.found()), (1, round), "once a lease: {found:?}");
        assert!(found[0].0.starts_with("\"order\" (writes_that"), "{found:?}");
        assert_eq!((&found[0].1, &found[0].2), (&found[0].0, &None));
    }
}

#[tokio::test]
async fn of_one_request_over_several_leases_and_tasks() {
    let (_fresh, db) = started(Some(Enforcement::On)).await;
    let mut events = db.events();
    let id = RequestId::parse("r-17").unwrap();
    request_id::within(id, async {
        db.named("order").execute(INSERT, &[]).await.unwrap();
        let other = db.clone();
        let work = async move { other.named("invoice").execute(INSERT, &[]).await };
        tokio::spawn(deadline::inherit(work)).await.unwrap().unwrap();
    })
    .await;
    let found = told(&mut events);
    assert_eq!((found.len(), db.found()), (1, 1), "{found:?}");
    assert!(found[0].0.contains("invoice") && found[0].1.contains("order"), "{found:?}");
    assert_eq!(found[0].2.as_deref(), Some("r-17"));

    // The same id again is another request: clients send an id twice.
    for _ in 0..2 {
        let id = RequestId::parse("r-17").unwrap();
        request_id::within(id, db.execute(INSERT, &[])).await.unwrap();
    }
    assert_eq!((told(&mut events), db.found()), (Vec::new(), 1));
}

#[tokio::test]
async fn but_not_what_a_transaction_joins_or_what_changes_nothing() {
    let (_fresh, db) = started(Some(Enforcement::On)).await;
    let mut events = db.events();
    let id = RequestId::random();
    request_id::within(id, async {
        let twice = db.transaction(async |tx| {
            tx.execute(INSERT, &[]).await?;
            tx.execute(INSERT, &[]).await
        });
        twice.await.unwrap();
        let lease = db.acquire().await.unwrap();
        lease.batch_execute("BEGIN").await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        lease.batch_execute("COMMIT").await.unwrap();
        lease.execute("UPDATE t SET a = 2 WHERE a = 7", &[]).await.unwrap();
        lease.execute("DELETE FROM t WHERE a = 7", &[]).await.unwrap();
        lease.query("SELECT count(*) FROM t", &[]).await.unwrap();
        lease.execute("INSERT INTO t SELECT 1 / 0", &[]).await.unwrap_err();
        // The only write outside a transaction, of two statements that are one commit.
        lease.batch_execute(&format!("{INSERT}; {INSERT}")).await.unwrap();
    })
    .await;
    // Without a request, calls have nothing to do with each other.
    db.execute(INSERT, &[]).await.unwrap();
    db.execute(INSERT, &[]).await.unwrap();
    assert_eq!((told(&mut events), db.found()), (Vec::new(), 0));
}

#[tokio::test]
async fn dark_unless_told_and_nothing_when_off() {
    for (audit, found) in [(None, 1), (Some(Enforcement::Dark), 1), (Some(Enforcement::Off), 0)] {
        let (_fresh, db) = started(audit).await;
        let mut events = db.events();
        let lease = db.acquire().await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        lease.execute(INSERT, &[]).await.unwrap();
        assert_eq!((told(&mut events), db.found()), (Vec::new(), found), "{audit:?}");
    }
    let (_fresh, db) = started(Some(Enforcement::On)).await;
    db.monitor().set_enabled(false);
    let lease = db.acquire().await.unwrap();
    lease.execute(INSERT, &[]).await.unwrap();
    lease.execute(INSERT, &[]).await.unwrap();
    assert_eq!(db.found(), 0, "it belongs to what is monitored");
}

#[tokio::test]
async fn two_statements_at_once_are_not_taken_for_one_another() {
    let (_fresh, db) = started(Some(Enforcement::On)).await;
    let lease = db.acquire().await.unwrap();
    let (one, other) = tokio::join!(lease.execute(INSERT, &[]), lease.query("SELECT 1", &[]));
    assert!(one.is_ok() && other.is_ok(), "{one:?}, {other:?}");
    assert_eq!(db.found(), 0, "one of the two reads");
    let (one, other) = tokio::join!(lease.execute(INSERT, &[]), lease.execute(INSERT, &[]));
    assert!(one.is_ok() && other.is_ok(), "{one:?}, {other:?}");
    assert_eq!(db.found(), 1);
}
