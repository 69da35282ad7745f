//! Whoever is refused at once, and tries again at once, leaves the other tasks of his runtime their turn.

use crate::server;
use plimsoll::{Database, Error, Fault, deadline};
use plimsoll_embedded::test_server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Calls until another task of the same thread has had its turn; the calls are refused all along.
async fn starves_nobody(what: &str, fault: Fault, mut call: impl AsyncFnMut() -> Result<(), Error>) {
    let had_its_turn = Arc::new(AtomicBool::new(false));
    let other = tokio::spawn({
        let had_its_turn = Arc::clone(&had_its_turn);
        async move { had_its_turn.store(true, Ordering::SeqCst) }
    });
    let began = Instant::now();
    while !had_its_turn.load(Ordering::SeqCst) {
        let error = call().await.expect_err(what);
        assert_eq!(error.fault(), fault, "{what}: {error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: no other task had a turn for 5 s");
    }
    other.await.unwrap();
}

#[tokio::test]
async fn not_while_the_breaker_is_open_the_queue_is_full_or_the_pool_is_closed() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).max_waiting(0);
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    starves_nobody("full", Fault::QueueFull, async || db.query("SELECT 1", &[]).await.map(drop)).await;
    starves_nobody("full, lent", Fault::QueueFull, async || db.acquire().await.map(drop)).await;
    drop(lease);
    db.isolate();
    starves_nobody("open", Fault::CircuitOpen, async || db.query("SELECT 1", &[]).await.map(drop)).await;
    starves_nobody("open, lent", Fault::CircuitOpen, async || db.acquire().await.map(drop)).await;
    starves_nobody("open, begun", Fault::CircuitOpen, async || db.begin().await.map(drop)).await;
    starves_nobody("open, in a transaction", Fault::CircuitOpen, async || {
        db.transaction(async |_| Ok(())).await
    })
    .await;
    starves_nobody("open, declared idempotent", Fault::CircuitOpen, async || {
        db.named("again").idempotent().execute("SELECT 1", &[]).await.map(drop)
    })
    .await;
    db.resume();
    db.close().await;
    starves_nobody("closed", Fault::PoolClosed, async || db.query("SELECT 1", &[]).await.map(drop)).await;
}

#[tokio::test]
async fn not_where_there_is_no_time_or_it_was_asked_for_what_cannot_be_had() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(2)).await.unwrap();
    let passed = Duration::ZERO;
    starves_nobody("late", Fault::DeadlinePassed, async || {
        deadline::within(passed, db.query("SELECT 1", &[])).await.map(drop)
    })
    .await;
    let lease = db.acquire().await.unwrap();
    lease.query("SELECT 1", &[]).await.unwrap();
    starves_nobody("late on a lease", Fault::DeadlinePassed, async || {
        deadline::within(passed, lease.query("SELECT 1", &[])).await.map(drop)
    })
    .await;
    let mut carried_away = None;
    db.transaction(async |tx| {
        carried_away = Some(tx);
        Ok(())
    })
    .await
    .unwrap();
    let tx = carried_away.unwrap();
    starves_nobody("ended", Fault::Usage, async || tx.execute("SELECT 1", &[]).await.map(drop)).await;
    starves_nobody("ended", Fault::Usage, async || tx.batch_execute("SELECT 1").await).await;
}
