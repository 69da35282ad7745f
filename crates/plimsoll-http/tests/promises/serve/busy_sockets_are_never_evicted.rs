//! When all sockets are busy, a new client waits for one that ends; when some are idle, it has the place of an idle one.

use super::{Client, GET_NOW, quick, start};
use plimsoll_http::serve::ServeOptions;
use std::time::{Duration, Instant};

const SOCKETS: usize = 8;

fn few() -> ServeOptions {
    ServeOptions { max_sockets: Some(SOCKETS), idle: Duration::from_secs(60), ..quick() }
}

#[tokio::test]
async fn a_new_client_waits_for_one_that_ends() {
    let server = start(few()).await;
    let mut busy = Vec::new();
    for _ in 0..SOCKETS {
        let mut client = server.client().await;
        client.send("GET /sleep?secs=2 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
        busy.push(client);
    }
    super::until("all are busy", async || server.running("pg_sleep").await == SOCKETS).await;
    let began = Instant::now();
    server.serves().await;
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    for client in &mut busy {
        assert_eq!(client.answer().await.body, "slept");
    }
}

#[tokio::test]
async fn a_new_client_has_the_place_of_a_silent_one_and_not_of_one_that_was_served() {
    let server = start(few()).await;
    let mut known = Vec::new();
    for _ in 0..SOCKETS - 2 {
        let mut client = server.client().await;
        client.send(GET_NOW).await;
        assert_eq!(client.answer().await.status, 200);
        known.push(client);
    }
    let mut silent: Vec<Client> = Vec::new();
    for _ in 0..20 {
        silent.push(server.client().await);
    }
    server.serves().await;
    for client in &mut silent[..15] {
        client.closed().await;
    }
    for client in &mut known {
        client.send(GET_NOW).await;
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn clients_that_were_served_give_way_to_each_other() {
    let server = start(few()).await;
    let mut known = Vec::new();
    for _ in 0..SOCKETS * 3 {
        let mut client = server.client().await;
        client.send(GET_NOW).await;
        assert_eq!(client.answer().await.status, 200);
        known.push(client);
    }
    known[0].closed().await;
    let last = known.last_mut().unwrap();
    last.send(GET_NOW).await;
    assert_eq!(last.answer().await.status, 200);
}
