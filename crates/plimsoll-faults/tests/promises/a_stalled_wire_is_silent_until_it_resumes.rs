//! A stall is silence and not an end: nothing passes, nobody is told, and what had to wait arrives whole.

use crate::ends;
use plimsoll_faults::{At, Direction, Fault};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn at_a_message_one_way() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::stall(Direction::ToServer, At::AfterMessage(1)));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&[ends::query("first"), ends::query("second")].concat()).await.unwrap();
    wire.until_struck(1).await;
    assert_eq!(ends::read(&mut server, 11).await, ends::query("first"));
    assert!(ends::is_silent(&mut server).await);

    server.write_all(b"answer").await.unwrap();
    assert_eq!(ends::read(&mut client, 6).await, b"answer", "the other way goes on");

    wire.resume();
    assert_eq!(ends::read(&mut server, 12).await, ends::query("second"));
    assert_eq!(wire.struck(), 1, "the same connection does not stall there again");
}

#[tokio::test]
async fn in_the_middle_of_a_message() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::stall(Direction::ToClient, At::AfterBytes(3)));
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    server.write_all(&ends::message(b'Z', b"I")).await.unwrap();
    assert_eq!(ends::read(&mut client, 3).await, b"Z\0\0");
    assert!(ends::is_silent(&mut client).await);
    wire.resume();
    assert_eq!(ends::read(&mut client, 3).await, b"\0\x05I");
}

#[tokio::test]
async fn everywhere_at_once_ends_of_streams_and_new_connections_among_it() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.stall_all();
    client.write_all(b"last words").await.unwrap();
    drop(client);
    let (mut late, mut late_server) = ends::connect(&listener, &wire).await;
    late.write_all(b"hello").await.unwrap();
    assert!(ends::is_silent(&mut server).await, "neither the bytes nor the end of the stream");
    assert!(ends::is_silent(&mut late_server).await);

    wire.resume();
    let (arrived, ended) = ends::read_out(&mut server).await;
    assert_eq!(arrived, b"last words");
    assert!(ended.is_ok());
    assert_eq!(ends::read(&mut late_server, 5).await, b"hello");
}

#[tokio::test]
async fn a_stalled_connection_can_still_be_cut() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.stall_all();
    client.write_all(b"never arrives").await.unwrap();
    assert_eq!(wire.cut_all(), 1);
    assert!(ends::read_out(&mut client).await.1.is_err());
    let (arrived, ended) = ends::read_out(&mut server).await;
    assert!(arrived.is_empty() && ended.is_err());
    wire.until_connections(0).await;
}
