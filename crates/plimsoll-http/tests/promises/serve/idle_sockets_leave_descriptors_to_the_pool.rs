//! Silent sockets, more of them than there are descriptors, keep neither the pool from connecting again after a restart of
//! PostgreSQL nor ordinary clients from being served, for as long as they stay.

use super::{Client, GET_NOW, PATIENCE, child, ms};
use plimsoll_embedded::{Cluster, StopMode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

const DESCRIPTORS: u64 = 256;
const STRANGERS: usize = 400;
/// 256 less 10 connections, a heartbeat, 8 cancels and 64 spare ones.
const SOCKETS: usize = 256 - 10 - 1 - 8 - 64;

/// Connects, says nothing, and comes back when it is thrown out.
async fn stranger(addr: std::net::SocketAddr, connected: Arc<AtomicUsize>) {
    loop {
        if let Ok(mut stream) = tokio::net::TcpStream::connect(addr).await {
            connected.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0]).await;
            connected.fetch_sub(1, Ordering::Relaxed);
        }
        tokio::time::sleep(ms(300)).await;
    }
}

/// An ordinary request; whether it was answered with what it asked for.
async fn is_served(addr: std::net::SocketAddr) -> bool {
    let asked = async {
        let mut client = Client::connect(addr).await;
        client.send(GET_NOW).await;
        client.read_answer().await
    };
    tokio::time::timeout(ms(5_000), asked)
        .await
        .is_ok_and(|answer| answer.is_some_and(|answer| answer.status == 200))
}

#[tokio::test]
async fn the_pool_connects_again_and_clients_are_served() {
    let cluster = Cluster::start().await.unwrap();
    // So long that nothing but the limit on sockets can end a stranger.
    let service = child::start(&cluster.url("postgres"), DESCRIPTORS, Duration::from_secs(600)).await;
    let mut regular = Client::connect(service.addr).await;
    regular.send(GET_NOW).await;
    assert_eq!(regular.answer().await.status, 200);
    let connected = Arc::new(AtomicUsize::new(0));
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..STRANGERS {
        strangers.spawn(stranger(service.addr, connected.clone()));
    }
    super::until("the sockets are all taken", async || {
        connected.load(Ordering::Relaxed) >= SOCKETS - 10
            && service.said(&format!("all {SOCKETS} sockets are taken")) == 1
    })
    .await;
    assert!(is_served(service.addr).await, "{}", service.words());
    cluster.restart(StopMode::Immediate).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while !is_served(service.addr).await {
        assert!(Instant::now() < end, "the pool does not come back: {}", service.words());
    }
    for _ in 0..20 {
        assert!(is_served(service.addr).await, "{}", service.words());
    }
    // A client that was served before is not displaced by strangers.
    regular.send(GET_NOW).await;
    assert_eq!(regular.answer().await.status, 200);
    assert!(connected.load(Ordering::Relaxed) > SOCKETS / 2, "the strangers are still there");
    assert_eq!(service.said("no connection can be accepted"), 0, "{}", service.words());
}
