//! A blackhole takes everything and says nothing, and what it took arrives once the wire is whole: late, complete, in
//! order, as TCP would have sent it again.

use crate::ends;
use plimsoll_faults::{Cut, Direction, Fault};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn both_ways() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.set(Fault::blackhole(Direction::Both));
    client.write_all(b"asked").await.unwrap();
    server.write_all(b"answered").await.unwrap();
    assert!(ends::is_silent(&mut server).await);
    assert!(ends::is_silent(&mut client).await);
    assert_eq!((wire.connections(), wire.struck()), (1, 0), "nothing was closed");

    wire.heal();
    assert_eq!(ends::read(&mut server, 5).await, b"asked");
    assert_eq!(ends::read(&mut client, 8).await, b"answered");
}

#[tokio::test]
async fn one_way_and_the_other_goes_on() {
    for (direction, black_to_server) in [(Direction::ToServer, true), (Direction::ToClient, false)] {
        let (listener, wire) = ends::wire().await;
        let (client, server) = ends::connect_ready(&listener, &wire).await;
        let (mut muted, mut heard) = if black_to_server { (client, server) } else { (server, client) };
        wire.set(Fault::blackhole(direction));
        muted.write_all(b"not heard").await.unwrap();
        heard.write_all(b"heard").await.unwrap();
        assert_eq!(ends::read(&mut muted, 5).await, b"heard", "{direction:?}");
        assert!(ends::is_silent(&mut heard).await, "{direction:?}");

        // The end of the stream is swallowed like bytes are.
        muted.shutdown().await.unwrap();
        assert!(ends::is_silent(&mut heard).await, "{direction:?}");
        wire.clear();
        drop(muted);
        assert_eq!(ends::read_out(&mut heard).await.0, b"not heard", "{direction:?}");
    }
}

#[tokio::test]
async fn a_new_connection_is_accepted_and_gets_nowhere() {
    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        let (listener, wire) = ends::wire().await;
        wire.set(Fault::blackhole(direction));
        let mut client = tokio::net::TcpStream::connect(wire.addr()).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        wire.until_struck(1).await;
        let knock = tokio::time::timeout(ends::QUIET, listener.accept()).await;
        assert!(knock.is_err(), "{direction:?}: the server does not hear of it");
        assert!(ends::is_silent(&mut client).await, "{direction:?}");

        wire.heal();
        let (mut server, _) = listener.accept().await.unwrap();
        assert_eq!(ends::read(&mut server, 5).await, b"hello");
        server.write_all(b"welcome").await.unwrap();
        assert_eq!(ends::read(&mut client, 7).await, b"welcome");
    }
}

#[tokio::test]
async fn a_large_flight_is_held_whole_and_in_order() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    wire.set(Fault::blackhole(Direction::ToServer));
    let flight: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.write_all(&flight).await.unwrap();
    assert!(ends::is_silent(&mut server).await);
    wire.heal();
    assert!(ends::read(&mut server, flight.len()).await == flight);
}

#[tokio::test]
async fn what_was_swallowed_can_still_be_cut() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.set(Fault::blackhole(Direction::Both));
    client.write_all(b"never arrives").await.unwrap();
    assert_eq!(wire.end_all(Cut::Reset), 1);
    assert!(ends::read_out(&mut client).await.1.is_err());
    let (arrived, ended) = ends::read_out(&mut server).await;
    assert!(arrived.is_empty() && ended.is_err());
    wire.until_connections(0).await;
}
