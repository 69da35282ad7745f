//! Two hundred workers that wait for one locked row hold no more connections than their name may; everybody else is
//! served meanwhile, and when the lock is given free all two hundred are.

use crate::server;
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server;
use std::time::Duration;

const WORKERS: usize = 200;
const CAP: usize = 3;

/// How many connections are held by this name.
fn held_by(db: &Database, name: &str) -> usize {
    db.pool_status().leases.iter().filter(|lease| lease.work.contains(name)).count()
}

async fn pile_up(db: Database, cap: Option<usize>) {
    db.execute("CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL)", &[]).await.unwrap();
    db.execute("INSERT INTO stock VALUES (1, 0)", &[]).await.unwrap();
    let lock = db.named("stocktaking").begin().await.unwrap();
    lock.execute("UPDATE stock SET n = 0 WHERE id = 1", &[]).await.unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut order = db.named("place order");
                if let Some(cap) = cap {
                    order = order.at_most(cap);
                }
                order.execute("UPDATE stock SET n = n + 1 WHERE id = 1", &[]).await
            })
        })
        .collect();
    server::until("they have piled up", server::PATIENCE, async || {
        db.pool_status().waiting == WORKERS - CAP && held_by(&db, "place order") == CAP
    })
    .await;
    for round in 0..50 {
        let row = db.named("look").within(Duration::from_secs(2)).query_one("SELECT 1", &[]).await;
        assert!(row.is_ok(), "round {round}: {row:?}");
        assert_eq!(held_by(&db, "place order"), CAP, "round {round}");
    }
    assert_eq!(db.pool_status().capped, (WORKERS - CAP) as u64);
    lock.commit().await.unwrap();
    for worker in workers {
        assert_eq!(worker.await.unwrap().unwrap(), 1);
    }
    let sum: i32 = db.query_one("SELECT n FROM stock", &[]).await.unwrap().get(0);
    assert_eq!(sum, WORKERS as i32);
    server::until("all are home", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
    assert_eq!(db.pool_status().waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_cap_of_the_calls_own() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(5)).await.unwrap();
    pile_up(db, Some(CAP)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_for_every_name() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(5).max_per_name(CAP);
    pile_up(Database::connect(settings).await.unwrap(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stands_aside_keeps_its_limit_and_leaves_no_trace() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let held = db.named("export").at_most(1).acquire().await.unwrap();
    for _ in 0..3 {
        let call = db.named("export").at_most(1).acquire_within(Duration::from_millis(30));
        let error = call.acquire().await.unwrap_err();
        assert_eq!(error.fault(), Fault::PoolExhausted);
        assert!(error.to_string().contains("its name holds the 1 that it may, 1 of 5 lent"), "{error}");
        let call = db.named("export").at_most(1).acquire();
        assert!(tokio::time::timeout(Duration::from_millis(10), call).await.is_err(), "and dropped");
    }
    assert_eq!(db.pool_status().waiting, 0);
    drop(held);
    db.named("export").at_most(1).acquire().await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_makes_room_for_the_next_of_its_name() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    // Others idle beside it, so that the next need not wait for a connect, only for its name.
    drop((db.acquire().await.unwrap(), db.acquire().await.unwrap()));
    let held = db.named("export").at_most(1).acquire().await.unwrap();
    let next = {
        let db = db.clone();
        tokio::spawn(async move { db.named("export").at_most(1).acquire().await.map(drop) })
    };
    server::until("it stands aside", server::PATIENCE, async || db.pool_status().waiting == 1).await;
    let killed = held.execute("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await;
    assert!(killed.is_err());
    drop(held);
    next.await.unwrap().expect("its name is below its cap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_dark_a_cap_counts_and_holds_nobody_back() {
    let fresh = test_server::database().await.unwrap();
    let settings =
        server::settings_for(&fresh).await.pool_max(3).admission(Enforcement::Dark).max_per_name(1);
    let db = Database::connect(settings).await.unwrap();
    for _ in 0..2 {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(db.named("export").within(server::PATIENCE).acquire().await.unwrap());
        }
        assert_eq!(held_by(&db, "export"), 3);
    }
    assert_eq!(db.pool_status().capped, 4, "two of three, twice");
}
