//! However the bytes are written, exactly as many pass as were named, and both ends see the connection end.

use std::io::ErrorKind;

use crate::ends;
use plimsoll_faults::{At, Cut, Direction, Fault, Since};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn towards_the_server() {
    for n in [0_usize, 1, 4, 5, 6, 11, 12, 13, 23] {
        let (listener, wire) = ends::wire().await;
        let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
        wire.set(Fault::cut(Direction::ToServer, At::AfterBytes(n as u64)));
        let bytes = [ends::query("BEGIN"), ends::query("COMMIT")].concat();
        client.write_all(&bytes).await.unwrap();

        let (arrived, ended) = ends::read_out(&mut server).await;
        assert_eq!(arrived, bytes[..n], "cut after {n}");
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let (answer, ended) = ends::read_out(&mut client).await;
        assert_eq!((answer.len(), ended.unwrap_err().kind()), (0, ErrorKind::ConnectionReset));
        wire.until_connections(0).await;
        assert_eq!(wire.struck(), 1);
    }
}

#[tokio::test]
async fn towards_the_client_one_byte_at_a_time() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    wire.set(Fault::cut(Direction::ToClient, At::AfterBytes(7)).ending(Cut::Close));
    let bytes = [ends::message(b'C', b"SELECT 1\0"), ends::message(b'Z', b"I")].concat();
    for byte in &bytes {
        if server.write_all(&[*byte]).await.is_err() {
            break;
        }
    }
    let (arrived, ended) = ends::read_out(&mut client).await;
    assert_eq!(arrived, bytes[..7]);
    assert!(ended.is_ok(), "an orderly close reads as the end of the stream");
}

#[tokio::test]
async fn counting_may_begin_with_the_connection_or_with_the_fault() {
    let (listener, wire) = ends::wire().await;
    wire.set(Fault::cut(Direction::ToServer, At::AfterBytes(3)).since(Since::Connected));
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    client.write_all(&ends::startup(196_608)).await.unwrap();
    assert_eq!(ends::read_out(&mut server).await.0.len(), 3);

    wire.clear();
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&ends::query("first")).await.unwrap();
    ends::read(&mut server, 11).await;
    wire.set(Fault::cut(Direction::ToServer, At::AfterBytes(2)).since(Since::Set));
    client.write_all(&ends::query("second")).await.unwrap();
    assert_eq!(ends::read_out(&mut server).await.0, ends::query("second")[..2]);
}

#[tokio::test]
async fn a_place_that_has_passed_never_strikes() {
    let (listener, wire) = ends::wire().await;
    let (mut client, mut server) = ends::connect_ready(&listener, &wire).await;
    client.write_all(&ends::query("already on the other side")).await.unwrap();
    ends::read(&mut server, 31).await;
    wire.set(Fault::cut(Direction::ToServer, At::AfterBytes(5)));
    wire.add(Fault::cut(Direction::ToServer, At::BeforeMessage(1)));
    client.write_all(&ends::query("and this too")).await.unwrap();
    assert_eq!(ends::read(&mut server, 18).await, ends::query("and this too"));
    assert_eq!((wire.struck(), wire.connections()), (0, 1));
}
