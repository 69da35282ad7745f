//! A client that begins requests and takes them back at once loses its connection; others are served meanwhile, and one
//! that takes back a few is none of those.

use super::{Client, Server, quick, start};
use axum::http::Request;
use h2::Reason;
use plimsoll_http::serve::ServeOptions;
use std::time::Duration;

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

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection() {
    // So long that nothing but the limit on resets can end it.
    let server = start(ServeOptions { idle: Duration::from_secs(60), ..quick() }).await;
    let (requests, driven) = open(&server).await;
    let flood = async {
        for sent in 0..100_000 {
            let Ok(mut ready) = requests.clone().ready().await else { return sent };
            let Ok((_, mut stream)) = ready.send_request(sleep(), true) else { return sent };
            stream.send_reset(Reason::CANCEL);
        }
        panic!("the flood was let through");
    };
    let ordinary = async {
        for _ in 0..10 {
            server.serves().await;
        }
    };
    tokio::join!(flood, ordinary);
    drop(requests);
    // GOAWAY, or a socket that takes nothing more, whichever the client notices first.
    assert!(tokio::time::timeout(super::PATIENCE, driven).await.unwrap().unwrap().is_err());
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
