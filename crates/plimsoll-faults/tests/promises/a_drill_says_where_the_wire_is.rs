//! For a drill the wire is where it was said to be, and may lead to another machine; it is gone with its handle.

use crate::ends;
use plimsoll_faults::Proxy;
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

#[tokio::test]
async fn and_it_carries_from_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let wire = Proxy::listening_at(listen, listener.local_addr().unwrap()).await.unwrap();
    let addr = wire.addr();
    assert_eq!(addr.ip(), listen.ip());
    let (mut client, mut server) = ends::connect(&listener, &wire).await;
    client.write_all(b"through").await.unwrap();
    assert_eq!(ends::read(&mut server, 7).await, b"through");

    let taken = Proxy::listening_at(addr, listener.local_addr().unwrap()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    drop(wire);
    // Nothing listens there any more, and the next drill can.
    let next = Proxy::listening_at(addr, "192.0.2.1:5432").await.unwrap();
    assert_eq!(next.addr(), addr);
    assert!(
        Proxy::in_front_of("192.0.2.1:5432").await.is_err(),
        "without an address it stays on this machine"
    );
}
