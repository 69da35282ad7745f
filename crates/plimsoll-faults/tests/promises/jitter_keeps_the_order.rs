//! Every chunk is late by an amount of its own, and none overtakes another.

use std::time::{Duration, Instant};

use crate::ends;
use plimsoll_faults::{Direction, Fault};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn of_chunks_sent_one_after_another() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    let (by, spread) = (Duration::from_millis(4), Duration::from_millis(4));
    wire.set(Fault::delay(Direction::Both, by).jitter(spread));
    let send = async {
        for n in 0..2000_u32 {
            client.write_all(&n.to_be_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let ((), arrived) = tokio::join!(send, ends::read(&mut server, 8000));
    let sent: Vec<u8> = (0..2000_u32).flat_map(u32::to_be_bytes).collect();
    assert!(arrived == sent, "seed {}", wire.seed());
}

#[tokio::test]
async fn and_no_chunk_is_sooner_than_the_least_or_all_alike() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    let (by, spread) = (Duration::from_millis(12), Duration::from_millis(10));
    wire.set(Fault::delay(Direction::ToServer, by).jitter(spread));
    let mut trips = Vec::new();
    for _ in 0..60 {
        let sent = Instant::now();
        client.write_all(b"x").await.unwrap();
        ends::read(&mut server, 1).await;
        trips.push(sent.elapsed());
    }
    trips.sort();
    let (soonest, latest) = (trips[0], trips[59]);
    assert!(soonest >= by - spread, "{soonest:?}, seed {}", wire.seed());
    // Sixty draws that all fall into the same quarter of the range are less likely than any defect.
    assert!(latest - soonest >= spread / 2, "{soonest:?} to {latest:?}, seed {}", wire.seed());
}

#[tokio::test]
async fn a_spread_beyond_the_delay_is_never_below_zero() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::delay(Direction::ToServer, Duration::ZERO).jitter(Duration::from_millis(3)));
    for n in 0..100_u8 {
        client.write_all(&[n]).await.unwrap();
        assert_eq!(ends::read(&mut server, 1).await, [n]);
    }
}
