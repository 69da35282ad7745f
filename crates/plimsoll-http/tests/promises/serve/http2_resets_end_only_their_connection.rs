//! A client that begins requests and takes them back at once, again and again, loses its connection, and others are served
//! meanwhile. A client that takes back a few keeps its connection.

use super::{Client, Server, quick, start};
use axum::http::Request;
use h2::Reason;
use plimsoll_http::serve::ServeOptions;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn sleep() -> Request<()> {
    Request::get("http://test/sleep").body(()).unwrap()
}

async fn open(
    server: &Server,
) -> (h2::client::SendRequest<bytes::Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let tcp = Client::connect(server.addr).await.stream;
    let (requests, connection) = h2::client::handshake(tcp).await.unwrap();
    (requests, tokio::spawn(connection))
}

/// One frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut all = length[1..].to_vec();
    all.extend([kind, flags]);
    all.extend(stream.to_be_bytes());
    all.extend(payload);
    all
}

/// A request for /sleep, and its end, as a client that wants no answer sends them. No library sends this: it would keep
/// both to itself.
fn taken_back(stream: u32) -> Vec<u8> {
    // GET, http, ":path: /sleep" and ":authority: test" as the headers' own encoding has them.
    let head = [&[0x82, 0x86, 0x04, 6][..], b"/sleep", &[0x01, 4], b"test"].concat();
    [frame(1, 0x5, stream, &head), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
}

/// The error code of the GOAWAY frame among these.
fn goaway(mut bytes: &[u8]) -> Option<u32> {
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let payload = bytes.get(9..9 + length)?;
        if bytes[3] == 7 {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        bytes = &bytes[9 + length..];
    }
    None
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection() {
    // So long that nothing but the limit on resets can end it.
    let server = start(ServeOptions { idle: Duration::from_secs(60), ..quick() }).await;
    let stream = Client::connect(server.addr).await.stream;
    let (mut from, mut to) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all).await;
        all
    });
    let flood = async {
        let _ = to.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let _ = to.write_all(&frame(4, 0, 0, &[])).await;
        for hundred in 0..500 {
            let frames: Vec<_> = (0..100).flat_map(|n| taken_back((hundred * 100 + n) * 2 + 1)).collect();
            if to.write_all(&frames).await.is_err() {
                return;
            }
        }
    };
    let ordinary = async {
        for _ in 0..10 {
            server.serves().await;
        }
    };
    tokio::join!(flood, ordinary);
    let answer = tokio::time::timeout(super::PATIENCE, reading).await.expect("it is let through").unwrap();
    assert_eq!(goaway(&answer), Some(u32::from(Reason::ENHANCE_YOUR_CALM)), "{answer:?}");
    super::until("no statement of the flood is left", async || server.running("pg_sleep").await == 0).await;
    server.serves().await;
}

#[tokio::test]
async fn a_request_that_is_taken_back_stops_its_statement_and_the_connection_goes_on() {
    let server = start(quick()).await;
    let (mut requests, driven) = open(&server).await;
    for _ in 0..3 {
        let (_, mut stream) = requests.send_request(sleep(), true).unwrap();
        super::until("it runs", async || server.running("pg_sleep").await == 1).await;
        stream.send_reset(Reason::CANCEL);
        super::until("it is stopped", async || server.running("pg_sleep").await == 0).await;
    }
    let request = Request::get("http://test/now").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    drop(requests);
    let _ = driven.await.unwrap();
}
