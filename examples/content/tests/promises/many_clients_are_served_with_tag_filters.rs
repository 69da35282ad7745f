//! Under the load of many clients that all filter by tags, more than the pool has connections, each request is answered with
//! its page, and none waits for long.

use crate::service;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: usize = 64;
const EACH: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_them() {
    let content = service::start().await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let http = content.started.http;
        let tags = ["night", "forest,night", "comet", "portrait,forest"][client % 4];
        clients.spawn(async move {
            let mut took = Vec::new();
            for _ in 0..EACH {
                let began = Instant::now();
                let answer = http.get(&format!("/content/unified?tags={tags}&limit=20")).await;
                took.push(began.elapsed());
                assert_eq!(answer.status, 200, "{answer:?}");
                assert!(!answer.body["items"].as_array().unwrap().is_empty(), "{tags}: {answer:?}");
            }
            took
        });
    }
    let mut took = clients.join_all().await.concat();
    took.sort();
    let of = |share: usize| took[took.len() * share / 100 - 1];
    println!("{} requests by {CLIENTS} clients: p50 {:?}, p99 {:?}", took.len(), of(50), of(99));
    assert_eq!(took.len(), CLIENTS * EACH);
    assert!(of(99) < Duration::from_secs(5), "p50 {:?}, p99 {:?}", of(50), of(99));
    content.end().await;
}
