//! Keep-alive, pipelining, many requests at a time over HTTP/2, streams and upgrades work as they do without limits.

use super::{Client, GET_NOW, ms, quick, start};
use axum::http::Request;
use axum::routing::any;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    for _ in 0..100 {
        client.send(GET_NOW).await;
        assert_eq!(client.answer().await.status, 200);
    }
    client.send(GET_NOW.repeat(20)).await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.body, "1");
    }
}

#[tokio::test]
async fn a_request_may_take_longer_than_a_connection_may_be_idle() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send("GET /sleep?secs=2 HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "slept");
    client.send(GET_NOW).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn many_requests_share_an_http2_connection() {
    let server = start(quick()).await;
    let tcp = Client::connect(server.addr).await.stream;
    let (requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let driven = tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..100 {
        let request = Request::get("http://test/now").body(()).unwrap();
        answers.push(requests.clone().ready().await.unwrap().send_request(request, true).unwrap().0);
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    drop(requests);
    let _ = driven.await.unwrap();
}

#[tokio::test]
async fn a_stream_goes_on_for_longer_than_a_connection_may_be_idle() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let began = std::time::Instant::now();
    let mut piece = [0; 4_096];
    while began.elapsed() < ms(2_000) {
        assert!(client.stream.read(&mut piece).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn an_upgraded_connection_belongs_to_its_handler() {
    let echo = any(async |mut request: axum::extract::Request| {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let mut io = hyper_util::rt::TokioIo::new(upgraded);
            let mut byte = [0];
            while io.read_exact(&mut byte).await.is_ok() {
                io.write_all(&byte).await.unwrap();
            }
        });
        let head = axum::http::Response::builder().status(101).header("connection", "upgrade");
        head.header("upgrade", "echo").body(axum::body::Body::empty()).unwrap()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/echo", echo);
    let serving = tokio::spawn(plimsoll_http::serve(listener, router, quick()));
    let mut client = Client::connect(addr).await;
    client.send("GET /echo HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 101);
    // Longer than a connection may be idle.
    tokio::time::sleep(ms(1_500)).await;
    client.send("x").await;
    let mut byte = [0];
    client.stream.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"x");
    serving.abort();
}
