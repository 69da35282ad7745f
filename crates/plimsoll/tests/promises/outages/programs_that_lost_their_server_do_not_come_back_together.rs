//! A server that comes back is not overrun by all the programs that lost it in the same moment: every pause before a new
//! connect is drawn anew, the longest included.

use crate::ledger;
use crate::server::{self, PATIENCE};
use plimsoll::Database;
use plimsoll::event::Event;
use plimsoll_embedded::test_server;
use plimsoll_faults::Fault as Broken;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The pauses grow up to a second in so many tries.
const GROWING: usize = 6;
const COUNTED: usize = 8;

/// The pauses once they have their full length: they lie in its upper half, and no two programs would draw the same.
fn assert_drawn(tries: &[Instant], what: &str) {
    let pauses: Vec<Duration> = tries.windows(2).skip(GROWING).map(|pair| pair[1] - pair[0]).collect();
    let (least, most) = (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap());
    assert!(least > Duration::from_millis(400) && most < Duration::from_millis(1_500), "{what}: {pauses:?}");
    assert!(most - least > Duration::from_millis(50), "{what}: not drawn: {pauses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_pause_is_drawn_anew() {
    let fresh = test_server::database().await.unwrap();
    let (wire, url) = ledger::wire(&fresh).await;
    let db = Database::connect(server::settings(&url)).await.unwrap();
    let listener = db.listen(["news"]).await.unwrap();
    let mut events = db.events();
    wire.set(Broken::Refuse);
    wire.cut_all();
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.ready_within(2 * PATIENCE).await }
    });
    let (mut of_pool, mut of_listener) = (Vec::new(), Vec::new());
    let enough = GROWING + COUNTED + 1;
    timeout(2 * PATIENCE, async {
        while of_pool.len() < enough || of_listener.len() < enough {
            match events.recv().await.unwrap() {
                Event::ConnectFailed { .. } => of_pool.push(Instant::now()),
                Event::ListenerConnectFailed { .. } => of_listener.push(Instant::now()),
                _ => {}
            }
        }
    })
    .await
    .expect("both go on trying");
    assert_drawn(&of_pool, "the pool");
    assert_drawn(&of_listener, "a listener");
    wire.heal();
    waiting.await.unwrap().expect("ready");
    drop(listener);
}
