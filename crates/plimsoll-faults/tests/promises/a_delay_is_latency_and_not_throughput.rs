//! Every chunk arrives later by what was asked, in order, and chunks sent together do not wait for one another.

use std::time::{Duration, Instant};

use crate::ends;
use plimsoll_faults::{Direction, Fault};
use tokio::io::AsyncWriteExt;

/// The median round trip of one byte each way, over the same connection.
async fn round_trip(delay: Option<Duration>) -> Duration {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    if let Some(by) = delay {
        wire.set(Fault::delay(Direction::Both, by));
    }
    let echo = tokio::spawn(async move {
        for _ in 0..41 {
            let byte = ends::read(&mut server, 1).await;
            server.write_all(&byte).await.unwrap();
        }
    });
    let mut trips = Vec::new();
    for _ in 0..41 {
        let sent = Instant::now();
        client.write_all(b"x").await.unwrap();
        ends::read(&mut client, 1).await;
        trips.push(sent.elapsed());
    }
    echo.await.unwrap();
    trips.sort();
    let soonest = trips.first().copied().unwrap_or_default();
    assert!(soonest >= delay.unwrap_or_default() * 2, "never sooner: {soonest:?}");
    trips.into_iter().nth(20).unwrap_or_default()
}

#[tokio::test]
async fn half_a_millisecond_each_way_is_about_one_both_ways() {
    let plain = round_trip(None).await;
    let slow = round_trip(Some(Duration::from_micros(500))).await;
    println!("round trip: {plain:?} plain, {slow:?} over a link of 0.5 ms each way");
    assert!(slow < plain + Duration::from_millis(4), "{slow:?}");
}

#[tokio::test]
async fn a_long_delay_is_kept_too() {
    let slow = round_trip(Some(Duration::from_millis(15))).await;
    assert!(slow < Duration::from_millis(60), "{slow:?}");
}

#[tokio::test]
async fn what_is_sent_together_arrives_together() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    let by = Duration::from_millis(50);
    wire.set(Fault::delay(Direction::ToServer, by));
    let began = Instant::now();
    let writer = tokio::spawn(async move {
        for n in 0..100_u8 {
            client.write_all(&[n]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client
    });
    let arrived = ends::read(&mut server, 100).await;
    let took = began.elapsed();
    assert_eq!(arrived, (0..100).collect::<Vec<u8>>(), "in order");
    assert!(took >= by && took < by * 10, "a hundred chunks in {took:?}, not in a hundred delays");
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn the_other_way_is_not_delayed_and_the_end_of_the_stream_is() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    let by = Duration::from_millis(80);
    wire.set(Fault::delay(Direction::ToServer, by));
    let began = Instant::now();
    server.write_all(b"swift").await.unwrap();
    ends::read(&mut client, 5).await;
    assert!(began.elapsed() < by);
    let closed = Instant::now();
    drop(client);
    assert!(ends::read_out(&mut server).await.1.is_ok());
    assert!(closed.elapsed() >= by, "an end travels no faster than bytes");
}
