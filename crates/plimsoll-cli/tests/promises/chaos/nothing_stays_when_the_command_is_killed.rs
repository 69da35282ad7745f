//! A drill ends at its time, at ^C, and by the server itself where the command is killed or stands still in the middle.

use super::scene::{Door, LOCKS, OURS, PATIENCE, Playing, number, server, until};
use plimsoll_embedded::Cluster;
use rustix::process::{Signal, kill_process};
use std::time::Duration;

/// A service that is well, and a drill on it that is in its middle.
async fn in_the_middle(
    cluster: &Cluster,
    drill: &str,
    fault_for: &str,
    sign: &str,
    at_least: i64,
) -> Playing {
    let door = Door::open().await;
    let orders = door.at("/orders");
    let service = door.guarded(cluster, cluster.port()).await;
    let url = cluster.url("postgres");
    let playing = Playing::begin(&[
        "--service",
        &orders,
        "-d",
        &url,
        "--table",
        "orders",
        "--yes",
        "--fault-for",
        fault_for,
        drill,
    ]);
    until(drill, PATIENCE, async || number(cluster, sign).await >= at_least).await;
    // The pool would only make waiters.
    service.end().await;
    playing
}

async fn is_gone(cluster: &Cluster, within: Duration) {
    until("nothing of it is left", within, async || {
        number(cluster, LOCKS).await == 0 && number(cluster, OURS).await == 0
    })
    .await;
}

#[tokio::test]
async fn by_a_signal_that_cannot_be_caught() {
    let cluster = server().await;
    in_the_middle(&cluster, "lock-pile-up", "60s", LOCKS, 1).await.kill();
    is_gone(&cluster, Duration::from_secs(10)).await;
    in_the_middle(&cluster, "connection-exhaustion", "60s", OURS, 20).await.kill();
    is_gone(&cluster, Duration::from_secs(10)).await;
    cluster.execute("postgres", "INSERT INTO orders VALUES (2)").await.unwrap();
}

#[tokio::test]
async fn by_the_keyboard_at_once() {
    let cluster = server().await;
    let playing = in_the_middle(&cluster, "lock-pile-up", "60s", LOCKS, 1).await;
    kill_process(playing.pid(), Signal::INT).unwrap();
    let run = playing.ended().await;
    assert_eq!(run.status, 130, "{run:?}");
    assert!(run.error.contains("interrupted: the fault has ended"), "{}", run.error);
    assert_eq!(number(&cluster, LOCKS).await, 0, "it ended before the command did");
}

#[tokio::test]
async fn by_standing_still() {
    let cluster = server().await;
    for (drill, sign, at_least) in [("lock-pile-up", LOCKS, 1), ("connection-exhaustion", OURS, 20)] {
        let playing = in_the_middle(&cluster, drill, "3s", sign, at_least).await;
        kill_process(playing.pid(), Signal::STOP).unwrap();
        // The server's own limits: two seconds more than the fault's time, for what sleeps and for what does nothing.
        until("the server ends it", Duration::from_secs(20), async || {
            number(&cluster, LOCKS).await == 0 && number(&cluster, OURS).await <= 2
        })
        .await;
        playing.kill();
        is_gone(&cluster, Duration::from_secs(10)).await;
    }
}
