//! A head of 64 kB is refused with 431, over HTTP/1.1 and HTTP/2, and its client can read that.

use super::{Client, quick, start};
use axum::http::Request;

fn get(header: usize) -> String {
    format!("GET /now HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "x".repeat(header))
}

#[tokio::test]
async fn over_http1() {
    let server = start(quick()).await;
    for size in [64_000, 300_000] {
        let mut client = server.client().await;
        client.send(get(size)).await;
        assert_eq!(client.answer().await.status, 431);
        client.closed().await;
    }
    let mut client = server.client().await;
    client.send(get(16_000)).await;
    assert_eq!(client.answer().await.status, 200);
    let many = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let mut client = server.client().await;
    client.send(format!("GET /now HTTP/1.1\r\nHost: test\r\n{many}\r\n")).await;
    assert_eq!(client.answer().await.status, 431);
    server.serves().await;
}

#[tokio::test]
async fn over_http2() {
    let server = start(quick()).await;
    let tcp = Client::connect(server.addr).await.stream;
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let driven = tokio::spawn(connection);
    for (size, status) in [(64_000, 431), (16_000, 200)] {
        let request = Request::get("http://test/now").header("x-long", "x".repeat(size)).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), status);
    }
    drop(requests);
    let _ = driven.await.unwrap();
}
