//! A client that asks for much and takes nothing is cut; one that takes it slowly gets it whole.

use super::{ms, quick, start};
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
    let mut piece = vec![0; 4 << 20];
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
