//! A transaction may be run from an axum handler and from a spawned task, with what the closure borrows from around it:
//! its future can go to another thread.

use crate::ledger::{INSERT, entries, ledger};
use crate::server;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use plimsoll::{Database, Transaction};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn put(State(pool): State<Database>, Path(id): Path<i32>) -> Result<String, StatusCode> {
    let note = format!("entry {id}");
    pool.transaction(async |tx| {
        tx.advisory_lock(("entry", i64::from(id), &note)).await?;
        tx.savepoint(async |inner: Transaction| inner.execute(INSERT, &[&id]).await).await
    })
    .await
    .map(|rows| format!("{rows} put"))
    .map_err(|_| StatusCode::CONFLICT)
}

async fn post_to(addr: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_in_handlers_and_in_spawned_tasks() {
    let db = ledger().await;
    let pool = server::database(&db).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().route("/put/{id}", post(put)).with_state(pool.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    assert!(post_to(addr, "/put/1").await.ends_with("1 put"));
    assert!(post_to(addr, "/put/1").await.starts_with("HTTP/1.1 409"));
    serving.abort();

    let tasks: Vec<_> = (10..30)
        .map(|id| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.transaction(async |tx| tx.execute(INSERT, &[&id]).await).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(entries(&db).await.len(), 21);
    tokio::time::timeout(Duration::from_secs(5), pool.close()).await.unwrap();
}
