//! A pool that is exhausted fails the next caller at its limit, not later, with the numbers and the oldest holder; and
//! works again as soon as one comes back.

use crate::log::Log;
use crate::server;
use plimsoll::event::Event;
use plimsoll::{Fault, Outcome, Phase};
use plimsoll_embedded::test_server;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_two_fails_the_third_after_three_seconds() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(2).pool_timeout(Duration::from_secs(3));
    let db = plimsoll::Database::connect(settings).await.unwrap();
    let mut events = db.events();
    let first = db.named("nightly report").acquire().await.unwrap();
    let second = db.acquire().await.unwrap();
    let begun = Instant::now();
    let error = db.named("place order").acquire().await.expect_err("both are lent");
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited <= Duration::from_millis(3100), "waited {waited:?}");
    assert_eq!(
        (error.fault(), error.phase(), error.outcome()),
        (Fault::PoolExhausted, Phase::Acquire, Outcome::NotStarted)
    );
    let text = error.to_string();
    for part in [
        "PL-ACQ-01 acquire for \"place order\"",
        "gave up after 3.0 s: 2 of 2 lent",
        "oldest held 3 s by \"nightly report\" (an_exhausted_pool_says_who_holds_it.rs:",
        "last connect ok 3 s ago",
        // One task holds both and waits for a third: that is said too.
        "every lease is held by a task that waits for another",
        "Failed to acquire database connection after 3s. Pool may be exhausted or database may be unresponsive.",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    server::event("the failure is told", &mut events, |event| match event {
        Event::AcquireFailed { fault: Fault::PoolExhausted, .. } => Some(()),
        _ => None,
    })
    .await;
    drop(first);
    db.acquire().await.expect("one came back");
    drop(second);
    assert_eq!(db.pool_status().failed, 1);
}

#[tokio::test]
async fn and_the_log_has_the_words_that_are_searched_for() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).pool_timeout(Duration::from_millis(500));
    let db = plimsoll::Database::connect(settings).await.unwrap();
    let (log, _guard) = Log::start();
    let _held = db.acquire().await.unwrap();
    let error = db.named("place order").acquire().await.unwrap_err();
    assert!(error.to_string().contains("database connection after 0.5s. Pool may be exhausted"), "{error}");
    let words = "Connection pool exhausted - timeout after 0.5s";
    assert!(log.mentions(tracing::Level::ERROR, words), "{}", log.text());
    assert!(log.mentions(tracing::Level::ERROR, "place order"), "{}", log.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(1).max_waiting(2);
    let db = plimsoll::Database::connect(settings).await.unwrap();
    let held = db.acquire().await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.acquire().await.map(drop) })
        })
        .collect();
    server::until("two wait", server::PATIENCE, async || db.pool_status().waiting == 2).await;
    let begun = Instant::now();
    let error = db.acquire().await.expect_err("the queue is full");
    assert_eq!(error.fault(), Fault::QueueFull);
    assert!(begun.elapsed() < Duration::from_millis(200));
    drop(held);
    for task in waiting {
        task.await.unwrap().expect("those who waited are served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_of_the_request_ends_the_wait_too() {
    let fresh = test_server::database().await.unwrap();
    let db = plimsoll::Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let _held = db.acquire().await.unwrap();
    let begun = Instant::now();
    let error =
        plimsoll::deadline::within(Duration::from_millis(200), db.acquire()).await.expect_err("no time");
    assert_eq!(error.fault(), Fault::DeadlinePassed);
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
}
