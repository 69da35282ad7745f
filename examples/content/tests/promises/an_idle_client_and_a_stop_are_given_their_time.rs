//! A client that keeps its connection and asks nothing is closed after five seconds. At ^C no new client is let in, the
//! request that is under way is answered, and the service ends; a second ^C does not wait for it.

use crate::service;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn keep_alive_is_five_seconds() {
    let content = service::start().await;
    let mut wire = TcpStream::connect(content.started.http.0).await.unwrap();
    wire.write_all(b"GET /content/unified?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let mut text = Vec::new();
    timeout(crate::started::PATIENCE, wire.read_to_end(&mut text)).await.expect("it is closed").unwrap();
    assert!(String::from_utf8_lossy(&text).starts_with("HTTP/1.1 200"));
    let took = began.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(10)).contains(&took), "{took:?}");
    content.end().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered() {
    let content = service::start().await;
    let http = content.started.http;
    let asking = tokio::spawn(async move { http.get("/content/unified?slow=2&limit=1").await });
    content.until_sleeping(1).await;
    assert!(content.started.stop().await.success());
    assert_eq!(asking.await.unwrap().status, 200);
    assert!(TcpStream::connect(http.0).await.is_err(), "the port is free");
}

#[tokio::test]
async fn and_a_second_interrupt_leaves_at_once() {
    let content = service::start().await;
    let wire = content.started.http.send("GET /content/unified?slow=60 HTTP/1.1\r\n", "").await;
    content.until_sleeping(1).await;
    content.started.signal("INT").await;
    crate::started::until("the port is free", async || {
        TcpStream::connect(content.started.http.0).await.is_err()
    })
    .await;
    let began = Instant::now();
    assert!(content.started.stop().await.success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(wire);
}
