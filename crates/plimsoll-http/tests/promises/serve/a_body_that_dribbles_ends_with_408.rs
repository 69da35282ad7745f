//! A body that takes too long ends with 408 and one that is too large with 413; nothing is stored of either. A slow but
//! steady upload passes, and what a handler does before it reads is not the client's time.

use super::{Client, Server, ms, quick, start};
use plimsoll_http::serve::ServeOptions;
use std::time::Instant;

const CHUNKED: &[u8] = b"POST /store HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn stored(server: &Server) -> i64 {
    server.database.execute("SELECT count(*) AS n FROM stored").await.unwrap()[0]["n"].parse().unwrap()
}

fn post(length: usize) -> String {
    format!("POST /store HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
}

async fn is_refused(client: &mut Client, status: u16) {
    let answer = client.answer().await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(
        answer.head.contains("application/problem+json") && answer.head.contains("connection: close"),
        "{answer:?}"
    );
    assert!(answer.body.contains("\"detail\":\"the request's body "), "{answer:?}");
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up_after_the_pause() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send(post(100)).await;
    client.send("half").await;
    let began = Instant::now();
    is_refused(&mut client, 408).await;
    assert!(began.elapsed() < ms(2_500), "{:?}", began.elapsed());
    server.serves().await;
    assert_eq!(stored(&server).await, 0);
}

#[tokio::test]
async fn a_body_byte_by_byte_is_given_up_after_its_time() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send(post(10_000)).await;
    let began = Instant::now();
    loop {
        let sent = tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"x").await;
        let pause = tokio::time::sleep(ms(50));
        if sent.is_err() || tokio::time::timeout(ms(1), client.stream.readable()).await.is_ok() {
            break;
        }
        assert!(began.elapsed() < super::PATIENCE, "it is held for ever");
        pause.await;
    }
    is_refused(&mut client, 408).await;
    let took = began.elapsed();
    assert!(took > ms(1_300) && took < ms(4_000), "{took:?}");
    assert_eq!(stored(&server).await, 0);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    let server = start(ServeOptions { body_bytes: 1_000, ..quick() }).await;
    let mut client = server.client().await;
    client.send(post(1_001)).await;
    is_refused(&mut client, 413).await;
    let mut client = server.client().await;
    client.send(post(1_000)).await;
    client.send("x".repeat(1_000)).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(stored(&server).await, 1);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_and_its_client_reads_the_answer() {
    let server = start(ServeOptions { body_bytes: 100_000, ..quick() }).await;
    let mut client = server.client().await;
    client.send(CHUNKED).await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    // More than is allowed is on its way before the answer is looked at; a reset would lose it.
    for _ in 0..20 {
        client.send(&chunk).await;
    }
    is_refused(&mut client, 413).await;
    assert_eq!(stored(&server).await, 0);
}

#[tokio::test]
async fn a_slow_but_steady_upload_passes() {
    let server = start(ServeOptions { body: ms(10_000), ..quick() }).await;
    let mut client = server.client().await;
    client.send(CHUNKED).await;
    for _ in 0..15 {
        client.send("4\r\nbyte\r\n").await;
        tokio::time::sleep(ms(150)).await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "60"));
    assert_eq!(stored(&server).await, 1);
}

#[tokio::test]
async fn a_handler_that_reads_late_takes_nothing_of_the_clients_time() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send("POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 300000\r\n\r\n").await;
    client.send("x".repeat(300_000)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "300000"));
}
