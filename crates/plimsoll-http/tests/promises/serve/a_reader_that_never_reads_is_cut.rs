//! A client that asks for much and takes nothing is cut; one that takes it slowly gets it whole.

use super::{Client, ms, quick, start};
use std::time::Instant;
use tokio::io::AsyncReadExt;

const GET_BIG: &[u8] = b"GET /big HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
const SIZE: usize = 32 << 20;

#[tokio::test]
async fn one_that_takes_nothing_is_cut() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send(GET_BIG).await;
    let mut peeked = [0; 16];
    client.stream.peek(&mut peeked).await.unwrap();
    // Time is the promise: nothing is taken for longer than is allowed.
    tokio::time::sleep(ms(2_500)).await;
    server.serves().await;
    let mut all = Vec::new();
    let _ = client.stream.read_to_end(&mut all).await;
    assert!(all.len() < SIZE, "{} bytes", all.len());
}

#[tokio::test]
async fn one_that_takes_it_slowly_gets_it_whole() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send(GET_BIG).await;
    let began = Instant::now();
    let mut piece = vec![0; 1 << 20];
    let mut read = 0;
    loop {
        let got = client.stream.read(&mut piece).await.unwrap();
        if got == 0 {
            break;
        }
        read += got;
        // Slower than idle and unread allow altogether, never slower than unread allows at a time.
        if began.elapsed() < ms(2_500) {
            tokio::time::sleep(ms(100)).await;
        }
    }
    assert!(read > SIZE && began.elapsed() > ms(2_000), "{read} bytes within {:?}", began.elapsed());
}

/// Asks for much over HTTP/2, with a window of `window` bytes.
async fn ask(
    addr: std::net::SocketAddr,
    window: u32,
) -> (h2::RecvStream, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let tcp = Client::connect(addr).await.stream;
    let (mut requests, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .handshake::<_, bytes::Bytes>(tcp)
        .await
        .unwrap();
    let driven = tokio::spawn(connection);
    let request = axum::http::Request::get("http://test/big").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    (answer.await.unwrap().into_body(), driven)
}

#[tokio::test]
async fn over_http2_one_that_gives_no_leave_to_send_is_cut() {
    let server = start(quick()).await;
    let began = Instant::now();
    let (body, driven) = ask(server.addr, 10_000).await;
    let ended = tokio::time::timeout(super::PATIENCE, driven).await.expect("it is held for ever");
    let _ = ended.unwrap();
    assert!(began.elapsed() > ms(600) && began.elapsed() < ms(4_000), "{:?}", began.elapsed());
    drop(body);
    server.serves().await;
}

#[tokio::test]
async fn over_http2_one_that_takes_it_slowly_gets_it_whole() {
    let server = start(quick()).await;
    let (mut body, _driven) = ask(server.addr, 1 << 20).await;
    let began = Instant::now();
    let (mut read, mut pause_at) = (0, 0);
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        read += data.len();
        if read >= pause_at {
            pause_at += 1 << 20;
            tokio::time::sleep(ms(100)).await;
        }
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(read == SIZE && began.elapsed() > ms(2_000), "{read} bytes within {:?}", began.elapsed());
}
