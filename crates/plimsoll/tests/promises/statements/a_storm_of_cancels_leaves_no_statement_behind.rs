//! Half of all calls run out of time and are stopped on the server, over and over: the server never runs more than the
//! pool may hold, nobody else's statement is hit, and when the storm is over nothing of it is left.
//!
//! It lasts three seconds; `PLIMSOLL_SECONDS=60` makes it a minute.

use crate::server;
use plimsoll::{BreakerState, Database, Fault, deadline};
use plimsoll_embedded::test_server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SIZE: usize = 6;
const CALLERS: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_hits_nobody_else() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("CREATE TABLE done (caller int8, n int8, PRIMARY KEY (caller, n))").await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(SIZE)).await.unwrap();
    let end = Instant::now() + server::span();
    let (stopped, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (db, stopped, answered) = (db.clone(), Arc::clone(&stopped), Arc::clone(&answered));
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                if Instant::now() >= end {
                    break;
                }
                let (caller, n) = (caller as i64, n as i64);
                if n % 2 == 0 {
                    let limit = Duration::from_millis(20 + spread(caller, n) % 40);
                    let slow = db.named("too slow").query("SELECT pg_sleep(10)", &[]);
                    let error = deadline::within(limit, slow).await.unwrap_err();
                    let is_its_own = matches!(error.fault(), Fault::DeadlinePassed | Fault::Overloaded);
                    assert!(is_its_own, "{error}");
                    stopped.fetch_add(1, Ordering::Relaxed);
                } else {
                    // No deadline of its own: a cancel that is meant for somebody else would be seen here.
                    let write = "INSERT INTO done VALUES ($1, $2)";
                    let rows = db.named("in time").execute(write, &[&caller, &n]).await.unwrap();
                    assert_eq!(rows, 1);
                    acknowledged.push(n);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            acknowledged.len() as u64
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let watch = tokio::spawn({
        let (is_over, url) = (Arc::clone(&is_over), fresh.url());
        async move {
            let bare = server::bare(&url).await;
            let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                         AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
            let mut most = 0;
            while !is_over.load(Ordering::SeqCst) {
                most = most.max(server::first(&bare, count).await.unwrap().parse::<usize>().unwrap());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            most
        }
    });
    let acknowledged: u64 = callers.join_all().await.into_iter().sum();
    is_over.store(true, Ordering::SeqCst);
    let most = watch.await.unwrap();
    assert!(
        most <= SIZE + 1,
        "{most} backends: the pool's {SIZE} and the heartbeat's one are all there may be"
    );
    assert!(stopped.load(Ordering::Relaxed) > 3 * CALLERS, "{stopped:?} were stopped");
    assert_eq!(server::text(&fresh, "SELECT count(*) FROM done").await, acknowledged.to_string());

    server::until("nothing of it runs any more", server::PATIENCE, async || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(10)%' \
                       AND state = 'active' AND pid <> pg_backend_pid()";
        server::text(&fresh, running).await == "0"
    })
    .await;
    server::until("all are home", server::PATIENCE, async || db.pool_status().checked_out == 0).await;
    let status = db.pool_status();
    assert_eq!((status.waiting, status.overflow), (0, 0), "{status:?}");
    assert_eq!(
        (db.breaker().state, db.breaker().trips),
        (BreakerState::Closed, 0),
        "callers were slow, not it"
    );
    println!("{stopped:?} stopped, {answered:?} answered, at most {most} backends, {} opened", status.opened);
    assert!(status.opened <= SIZE as u64 * 2, "a cancel is no reason to connect anew: {status:?}");
}

/// Spread without a clock or a lot: the same in every run.
fn spread(caller: i64, n: i64) -> u64 {
    (caller as u64).wrapping_mul(7919).wrapping_add((n as u64).wrapping_mul(104_729)) % 997
}
