//! Tasks that each hold a connection and wait for another wait for ever; that is found out and named, long before the
//! limit. Working on two leases at once is not that.

use crate::server;
use plimsoll::event::Event;
use plimsoll::{Database, Fault};
use plimsoll_embedded::test_server;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::Instant;

async fn pool(fresh: &test_server::TestDatabase, max: usize) -> Database {
    let settings = server::settings_for(fresh).await.pool_max(max).deadlock_after(Duration::from_millis(400));
    Database::connect(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_holder_waits_for_another() {
    let fresh = test_server::database().await.unwrap();
    let db = pool(&fresh, 2).await;
    let mut events = db.events();
    let met = Arc::new(Barrier::new(2));
    let begun = Instant::now();
    let tasks: Vec<_> = ["import", "export"]
        .into_iter()
        .map(|name| {
            let (db, met) = (db.clone(), Arc::clone(&met));
            tokio::spawn(async move {
                let _first = db.named(name).acquire().await.unwrap();
                met.wait().await;
                db.named(format!("{name}, second")).acquire().await.map(drop)
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "one gives way, and the other goes on: {errors:?}");
    assert_eq!(errors[0].fault(), Fault::SelfDeadlock);
    let text = errors[0].to_string();
    assert!(
        text.contains("\"import\" (a_self_deadlock_is_named.rs:") && text.contains("\"export\""),
        "{text}"
    );
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    server::event("it is told", &mut events, |event| {
        matches!(event, Event::SelfDeadlock { .. }).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_task_that_takes_a_second_lease_of_a_pool_of_one() {
    let fresh = test_server::database().await.unwrap();
    let db = pool(&fresh, 1).await;
    let _held = db.acquire().await.unwrap();
    let error = db.acquire().await.expect_err("it holds what it waits for");
    assert_eq!(error.fault(), Fault::SelfDeadlock, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_branches_of_one_task_take_turns() {
    let fresh = test_server::database().await.unwrap();
    let db = pool(&fresh, 1).await;
    let branch = || async {
        let lease = db.acquire().await?;
        for _ in 0..8 {
            lease.query("select pg_sleep(0.15)", &[]).await?;
        }
        Ok::<(), plimsoll::Error>(())
    };
    let (one, other) = tokio::join!(branch(), branch());
    one.and(other).expect("each branch lets go when it is done");
    let both = pool(&fresh, 2).await;
    let (one, other) = tokio::join!(both.acquire(), both.acquire());
    assert!(one.is_ok() && other.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_of_one_task_that_work_elsewhere_are_no_deadlock() {
    let fresh = test_server::database().await.unwrap();
    let db = pool(&fresh, 6).await;
    let mut events = db.events();
    // As for a request to another service: four times `deadlock_after`.
    let branch = || async {
        let lease = db.acquire().await?;
        tokio::time::sleep(Duration::from_millis(1_600)).await;
        lease.query_one("select 1", &[]).await.map(drop)
    };
    for branches in [7, 12] {
        let results = futures_util::future::join_all((0..branches).map(|_| branch())).await;
        for result in results {
            result.expect("each branch lets go when it is done");
        }
    }
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::SelfDeadlock { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_holds_all_and_waits_for_one_more_is_told_of_it_when_its_limit_passes() {
    let fresh = test_server::database().await.unwrap();
    let db = pool(&fresh, 2).await;
    let _held = [db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let limit = Duration::from_millis(1_600);
    let error = db.named("third").acquire_within(limit).acquire().await.expect_err("it holds all itself");
    assert_eq!(error.fault(), Fault::PoolExhausted, "it may be working on what it holds: {error}");
    let text = error.to_string();
    assert!(text.contains("every lease is held by a task that waits for another"), "{text}");
    assert!(text.contains("this may be a deadlock"), "{text}");
}
