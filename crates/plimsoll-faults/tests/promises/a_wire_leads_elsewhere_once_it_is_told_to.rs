//! New connections go to the servers that were named last, in turn; those that were open stay where they are.

use crate::ends;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

async fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn and_what_was_open_stays() {
    let (old, wire) = ends::wire().await;
    let (mut client, mut first) = ends::connect(&old, &wire).await;
    let (new, address) = server().await;
    wire.lead_to([address]).unwrap();
    let _second = ends::connect(&new, &wire).await;
    client.write_all(b"still here").await.unwrap();
    assert_eq!(ends::read(&mut first, 10).await, b"still here");
}

#[tokio::test]
async fn and_several_take_turns() {
    let (_, wire) = ends::wire().await;
    let ((one, first), (two, second)) = (server().await, server().await);
    wire.lead_to([first, second]).unwrap();
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(tokio::net::TcpStream::connect(wire.addr()).await.unwrap());
    }
    // Three each, or this would wait for ever.
    for listener in [one, two] {
        for _ in 0..3 {
            listener.accept().await.unwrap();
        }
    }
}

#[tokio::test]
async fn and_neither_to_another_machine_nor_nowhere() {
    let (listener, wire) = ends::wire().await;
    assert!(wire.lead_to(["192.0.2.1:5432".parse().unwrap()]).is_err());
    assert!(wire.lead_to([]).is_err());
    let _as_before = ends::connect(&listener, &wire).await;
}
