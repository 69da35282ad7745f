//! So many bytes in a second and no more, each way and each connection for itself, until the throttle is lifted.

use std::time::{Duration, Instant};

use crate::ends;
use plimsoll_faults::{At, Direction, Fault, Since};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn within_a_tenth_at_the_least() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::throttle(Direction::ToServer, 200_000));
    let flight = vec![1; 100_000];
    let began = Instant::now();
    client.write_all(&flight).await.unwrap();
    assert!(ends::read(&mut server, flight.len()).await == flight);
    let took = began.elapsed();
    println!("100 000 bytes at 200 000 a second: {took:?}");
    // Never sooner; later only by what the machine was busy with.
    assert!(took >= Duration::from_millis(450), "{took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn ten_bytes_a_second_are_single_bytes() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::throttle(Direction::ToServer, 10));
    let began = Instant::now();
    client.write_all(b"four").await.unwrap();
    assert_eq!(ends::read(&mut server, 4).await, b"four");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(250), "three waits of a tenth of a second: {took:?}");
    assert_eq!(wire.wires()[0].to_server.bytes, 4);
}

#[tokio::test]
async fn the_other_way_is_free() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::throttle(Direction::ToServer, 1));
    let flight = vec![2; 500_000];
    let send = async { server.write_all(&flight).await.unwrap() };
    let ((), arrived) = tokio::join!(send, ends::read(&mut client, flight.len()));
    assert!(arrived == flight);
}

#[tokio::test]
async fn lifting_it_acts_at_once() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::throttle(Direction::ToServer, 1));
    let flight = vec![3; 100_000];
    client.write_all(&flight).await.unwrap();
    ends::read(&mut server, 1).await;
    wire.clear();
    ends::read(&mut server, flight.len() - 1).await;
}

#[tokio::test]
async fn a_cut_falls_on_its_byte_all_the_same() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::throttle(Direction::ToServer, 20_000));
    wire.add(Fault::slice(Direction::ToServer, 7));
    wire.add(Fault::cut(Direction::ToServer, At::AfterBytes(1234)).since(Since::Connected));
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    client.write_all(&[0x16; 5000]).await.unwrap();
    assert_eq!(ends::read_out(&mut server).await.0.len(), 1234);
}
