//! Two transactions that collide, or that wait for each other, both succeed when they may run again.

use crate::ledger::ledger;
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Call, Fault, Isolation, Transaction};
use plimsoll_embedded::test_server::TestDatabase;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Barrier;

async fn two_rows() -> TestDatabase {
    let db = ledger().await;
    db.execute("CREATE TABLE account (id int PRIMARY KEY, n int); INSERT INTO account VALUES (1, 0), (2, 0)")
        .await
        .unwrap();
    db
}

/// Runs two transactions that meet in the middle of their first runs, and gives how often both ran.
async fn meet<'a>(call: impl Fn() -> Call<'a>, first: [&str; 2], then: [&str; 2]) -> u32 {
    let (middle, runs) = (Barrier::new(2), AtomicU32::new(0));
    let side = async |side: usize| {
        let own = AtomicU32::new(0);
        let work = async |tx: Transaction| {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.execute(first[side], &[]).await?;
            if own.fetch_add(1, Ordering::Relaxed) == 0 {
                middle.wait().await;
            }
            tx.execute(then[side], &[]).await
        };
        call().retrying(work).await.unwrap()
    };
    tokio::join!(side(0), side(1));
    runs.load(Ordering::Relaxed)
}

fn retried(event: &Event) -> Option<(Fault, u32)> {
    match event {
        Event::Retried { fault, tried, .. } => Some((*fault, *tried)),
        _ => None,
    }
}

#[tokio::test]
async fn a_serialization_failure() {
    let db = two_rows().await;
    let pool = server::database(&db).await;
    let mut events = pool.events();
    let read = "SELECT sum(n) FROM account";
    let add = ["UPDATE account SET n = n + 1 WHERE id = 1", "UPDATE account SET n = n + 1 WHERE id = 1"];
    let call = || pool.named("collide").isolation(Isolation::Serializable);
    assert_eq!(meet(call, [read, read], add).await, 3);
    assert_eq!(server::event("a retry", &mut events, retried).await, (Fault::SerializationFailure, 1));
    assert_eq!(server::text(&db, "SELECT n FROM account WHERE id = 1").await, "2");
}

#[tokio::test]
async fn a_deadlock() {
    let db = two_rows().await;
    let pool = server::database(&db).await;
    let mut events = pool.events();
    let add = ["UPDATE account SET n = n + 1 WHERE id = 1", "UPDATE account SET n = n + 1 WHERE id = 2"];
    assert_eq!(meet(|| pool.named("entangle"), add, [add[1], add[0]]).await, 3);
    assert_eq!(server::event("a retry", &mut events, retried).await, (Fault::Deadlock, 1));
    assert_eq!(server::text(&db, "SELECT sum(n) FROM account").await, "4");
}
