//! No socket, no thread and no surprise outlives the handle; and the proxy never leaves the machine.

use std::io::ErrorKind;
use std::time::Duration;

use crate::ends;
use plimsoll_faults::{Direction, Fault, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn open_stalled_and_delayed_connections_alike() {
    let (listener, wire) = ends::wire().await;
    let (mut open, mut open_server) = ends::connect_ready(&listener, &wire).await;
    wire.set(Fault::delay(Direction::Both, Duration::from_secs(3600)));
    let (mut slow, mut slow_server) = ends::connect(&listener, &wire).await;
    slow.write_all(b"on its way for an hour").await.unwrap();
    wire.stall_all();
    let addr = wire.addr();
    drop(wire);

    for end in [&mut open, &mut open_server, &mut slow, &mut slow_server] {
        let mut rest = Vec::new();
        // The close of an end with unread bytes is a reset, the others' an end of stream: over, either way.
        let _ = end.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    let again = TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_wire_outlives_the_runtime_of_the_program_under_test() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (listener, wire) = {
        let program = runtime();
        let (listener, wire) = program.block_on(ends::wire());
        (listener.into_std(), wire)
    };
    runtime().block_on(async {
        drop(listener);
        // No server stands behind it any more: the connection is accepted and reset, which may be known at once.
        if let Ok(mut client) = TcpStream::connect(wire.addr()).await {
            assert!(ends::read_out(&mut client).await.1.is_err());
        }
        wire.until_connections(0).await;
    });
    assert_eq!(wire.accepted(), 1);
}

#[tokio::test]
async fn another_machine_is_no_target() {
    let refused = Proxy::in_front_of("192.0.2.1:5432").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("192.0.2.1:5432 is no loopback address"), "{refused}");
}

#[tokio::test]
async fn a_refusing_wire_takes_no_new_connection_and_keeps_the_old() {
    let (listener, wire) = ends::wire().await;
    let (mut old, mut old_server) = ends::connect_ready(&listener, &wire).await;
    wire.set_once(Fault::Refuse);
    let mut new = TcpStream::connect(wire.addr()).await.unwrap();
    let (arrived, ended) = ends::read_out(&mut new).await;
    assert!(arrived.is_empty() && ended.is_ok());
    old.write_all(b"still here").await.unwrap();
    assert_eq!(ends::read(&mut old_server, 10).await, b"still here");
    assert_eq!((wire.accepted(), wire.struck(), wire.connections()), (2, 1, 1));
    let _ = ends::connect_ready(&listener, &wire).await;
}
