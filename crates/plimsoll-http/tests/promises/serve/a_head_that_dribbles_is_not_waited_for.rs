//! A connection that brings no request, or brings its head byte by byte, ends in its time, and others are served
//! meanwhile. A head that is only slow is waited for.

use super::{Client, GET_NOW, ms, quick, start};
use std::time::Instant;

#[tokio::test]
async fn neither_silence_nor_half_a_head_holds_a_connection() {
    let server = start(quick()).await;
    let beginnings: [&[u8]; 6] = [
        b"",
        b"G",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /now HTTP/1.1\r\nHost: te",
        b"\r\n",
    ];
    let mut clients = Vec::new();
    for beginning in beginnings {
        let mut client = server.client().await;
        client.send(beginning).await;
        clients.push(client);
    }
    server.serves().await;
    for (client, beginning) in clients.iter_mut().zip(beginnings) {
        let took = client.closed().await;
        assert!(took < ms(3_000), "{took:?} for {beginning:?}");
    }
    server.serves().await;
}

#[tokio::test]
async fn a_head_byte_by_byte_ends_at_its_limit_also_after_a_request_that_was_served() {
    let server = start(quick()).await;
    for is_served_first in [false, true] {
        let mut client = server.client().await;
        if is_served_first {
            client.send(GET_NOW).await;
            assert_eq!(client.answer().await.status, 200);
        }
        let began = Instant::now();
        let (mut from, mut to) = client.stream.into_split();
        let dribble = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            for byte in b"GET /now HTTP/1.1\r\nX-Long: ".iter().chain(std::iter::repeat(&b'x')) {
                if to.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(ms(20)).await;
            }
        });
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut from, &mut answer);
        let _ = tokio::time::timeout(super::PATIENCE, read).await.expect("it is held for ever");
        let took = began.elapsed();
        assert!(took > ms(400) && took < ms(3_000), "{took:?}");
        server.serves().await;
        dribble.abort();
    }
}

#[tokio::test]
async fn idleness_takes_nothing_of_the_time_for_a_head() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    let (first, second) = GET_NOW.split_at(10);
    tokio::time::sleep(ms(300)).await;
    client.send(first).await;
    tokio::time::sleep(ms(300)).await;
    client.send(second).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_not_before() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    for _ in 0..3 {
        client.send(GET_NOW).await;
        assert_eq!(client.answer().await.status, 200);
        tokio::time::sleep(ms(250)).await;
    }
    let took = client.closed().await;
    assert!(took > ms(100) && took < ms(2_500), "{took:?}");
}

#[tokio::test]
async fn an_idle_http2_connection_ends_even_if_it_pings() {
    let server = start(quick()).await;
    let tcp = Client::connect(server.addr).await.stream;
    let (mut requests, mut connection) = h2::client::handshake(tcp).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let driven = tokio::spawn(connection);
    let request = axum::http::Request::get("http://test/now").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    let began = Instant::now();
    let pinging = async {
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(ms(50)).await
        }
    };
    tokio::time::timeout(super::PATIENCE, pinging).await.expect("it is held for ever");
    assert!(began.elapsed() < ms(4_000), "{:?}", began.elapsed());
    let _ = driven.await.unwrap();
}
