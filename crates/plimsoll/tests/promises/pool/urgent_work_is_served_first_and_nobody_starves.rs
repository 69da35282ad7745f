//! The most urgent are served first, in each priority the first to come; a stream of urgent work does not starve the
//! rest; and a reserve is lent to the urgent only.

use crate::server;
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Fault, Priority};
use plimsoll_embedded::test_server;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Joins the queue, and writes its letter down when it is served.
async fn join(
    db: &Database,
    priority: Priority,
    letter: char,
    served: &Arc<Mutex<String>>,
) -> JoinHandle<()> {
    let before = db.pool_status().waiting;
    let (waiter, served) = (db.clone(), Arc::clone(served));
    let task = tokio::spawn(async move {
        let _held = waiter.named("waiter").priority(priority).acquire().await.expect("its turn comes");
        served.lock().unwrap().push(letter);
    });
    server::until("it waits", server::PATIENCE, async || db.pool_status().waiting == before + 1).await;
    task
}

async fn served(letters: &[(Priority, char)]) -> String {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let held = db.acquire().await.unwrap();
    let served = Arc::new(Mutex::new(String::new()));
    let mut tasks = Vec::new();
    for (priority, letter) in letters {
        tasks.push(join(&db, *priority, *letter, &served).await);
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    served.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_highest_first_and_within_a_priority_the_first_to_come() {
    use Priority::{High, Low, Normal};
    let letters = [(Low, 'e'), (Normal, 'c'), (High, 'a'), (Low, 'f'), (Normal, 'd'), (High, 'b')];
    assert_eq!(served(&letters).await, "abcdef");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_in_eight_goes_to_the_longest_waiting_of_all() {
    let mut letters = vec![(Priority::Low, 'L')];
    letters.resize(21, (Priority::High, 'h'));
    let served = served(&letters).await;
    let turn = served.find('L').expect("it was served") + 1;
    assert!(turn <= 8, "it was served at turn {turn}: {served}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reserve_is_lent_to_the_urgent_only() {
    let fresh = test_server::database().await.unwrap();
    let settings = server::settings_for(&fresh).await.pool_max(3).priority_reserve(1);
    let db = Database::connect(settings).await.unwrap();
    let mut held = vec![db.acquire().await.unwrap(), db.acquire().await.unwrap()];
    let error = db.named("export").acquire_within(Duration::from_millis(50)).acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::PoolExhausted);
    assert_eq!(db.pool_status().checked_out, 2, "the third is kept");
    let urgent = db.named("alarm").priority(Priority::High).acquire().await.expect("it is kept for this");
    drop(held.pop());
    db.acquire().await.expect("one of the two that are everybody's came back");
    drop((urgent, held));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_dark_the_reserve_counts_and_is_lent_to_anybody() {
    let fresh = test_server::database().await.unwrap();
    let settings =
        server::settings_for(&fresh).await.pool_max(3).priority_reserve(1).admission(Enforcement::Dark);
    let db = Database::connect(settings).await.unwrap();
    // All three are open, so that whoever comes finds one that is free.
    drop((db.acquire().await.unwrap(), db.acquire().await.unwrap(), db.acquire().await.unwrap()));
    server::until("all are free", server::PATIENCE, async || db.pool_status().checked_in == 3).await;
    let before = db.pool_status().held_back;
    let held = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    assert_eq!(db.pool_status().held_back, before);
    let third = db.acquire().await.expect("nobody is held back");
    assert_eq!(db.pool_status().held_back, before + 1);
    drop((held, third));
}
