//! Whatever clients and the database do, a stop ends by its hard limit, and what was cut runs on no server.

use super::{Client, GET_NOW, child, ms, quick, start, start_on};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_faults::Process;
use plimsoll_http::serve::ServeOptions;
use rustix::process::Signal;
use std::time::{Duration, Instant};

const GET_SLEEP: &[u8] = b"GET /sleep HTTP/1.1\r\nHost: test\r\n\r\n";

/// Clients that say nothing, or half of something.
async fn strangers(addr: std::net::SocketAddr) -> Vec<Client> {
    let mut all = Vec::new();
    for beginning in ["", "GET /now HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = Client::connect(addr).await;
        client.send(beginning).await;
        all.push(client);
    }
    let mut again = Client::connect(addr).await;
    again.send(GET_NOW).await;
    assert_eq!(again.answer().await.status, 200);
    again.send("GET /now HT").await;
    all.push(again);
    all
}

/// Limits as they are by default, and connections that may be silent for long.
fn patient() -> ServeOptions {
    ServeOptions { idle: Duration::from_secs(60), head: Duration::from_secs(60), ..ServeOptions::default() }
}

#[tokio::test]
async fn strangers_do_not_hold_it() {
    let server = start(patient()).await;
    let _strangers = strangers(server.addr).await;
    server.stop.stop();
    let stopped = server.stopped().await;
    assert!(stopped.took < ms(2_000) && stopped.cut == 0, "{stopped:?}");
}

#[tokio::test]
async fn neither_do_strangers_before_a_frozen_database() {
    let cluster = Cluster::start().await.unwrap();
    let (addr, stop, task) = start_on(&cluster.url("postgres"), patient()).await;
    let _strangers = strangers(addr).await;
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    stop.stop();
    let stopped = tokio::time::timeout(super::PATIENCE, task).await.unwrap().unwrap().unwrap();
    server.thaw().unwrap();
    assert!(stopped.took < ms(5_000) && stopped.cut == 0, "{stopped:?}");
}

#[tokio::test]
async fn a_stream_and_a_statement_are_cut_when_the_grace_is_over() {
    let server = start(quick()).await;
    let mut stream = server.client().await;
    stream.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let mut statement = server.client().await;
    statement.send(GET_SLEEP).await;
    let tcp = Client::connect(server.addr).await.stream;
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = axum::http::Request::get("http://test/sleep").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    super::until("they run", async || server.running("pg_sleep").await == 2).await;
    server.stop.stop();
    stream.closed().await;
    statement.closed().await;
    assert!(answer.await.is_err());
    let _ = driven.await.unwrap();
    let database = server.database;
    let stopped = tokio::time::timeout(super::PATIENCE, server.task).await.unwrap().unwrap().unwrap();
    assert_eq!(stopped.cut, 3, "{stopped:?}");
    assert!(stopped.took >= ms(1_500) && stopped.took < ms(4_500), "{stopped:?}");
    assert_eq!(super::running(&database, "pg_sleep").await, 0, "{stopped:?}");
}

#[tokio::test]
async fn work_that_outlives_its_request_is_stopped_within_the_same_budget() {
    let server = start(quick()).await;
    let mut client = server.client().await;
    client.send("GET /detached HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "begun");
    super::until("it runs", async || server.running("pg_sleep").await == 1).await;
    server.stop.stop();
    let database = server.database;
    let stopped = tokio::time::timeout(super::PATIENCE, server.task).await.unwrap().unwrap().unwrap();
    // close_timeout alone is 10 s; the hard stop is 4 s.
    assert!(stopped.took < ms(4_500), "{stopped:?}");
    assert_eq!(stopped.databases.iter().map(|report| report.cancelled).sum::<usize>(), 1, "{stopped:?}");
    assert_eq!(super::running(&database, "pg_sleep").await, 0);
}

#[tokio::test]
async fn a_request_before_a_frozen_database_is_cut_and_the_hard_stop_holds() {
    let cluster = Cluster::start().await.unwrap();
    let (addr, stop, task) = start_on(&cluster.url("postgres"), quick()).await;
    let mut client = Client::connect(addr).await;
    client.send(GET_SLEEP).await;
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' \
               AND pid <> pg_backend_pid()";
    super::until("it runs", async || cluster.execute("postgres", sql).await.unwrap()[0]["n"] == "1").await;
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    stop.stop();
    let stopped = tokio::time::timeout(super::PATIENCE, task).await.unwrap().unwrap().unwrap();
    server.thaw().unwrap();
    assert!(stopped.took < ms(4_500), "{stopped:?}");
}

#[tokio::test]
async fn the_second_signal_waits_for_nothing() {
    let server =
        start(ServeOptions { grace: Duration::from_secs(20), hard_stop: Duration::from_secs(30), ..quick() })
            .await;
    let mut client = server.client().await;
    client.send(GET_SLEEP).await;
    super::until("it runs", async || server.running("pg_sleep").await == 1).await;
    server.stop.stop();
    super::until("nothing new is let in", async || {
        tokio::net::TcpStream::connect(server.addr).await.is_err()
    })
    .await;
    let asked = Instant::now();
    server.stop.stop();
    let stopped = server.stopped().await;
    assert!(stopped.left_at_once && asked.elapsed() < ms(1_000), "{stopped:?}");
    client.closed().await;
}

#[tokio::test]
async fn signals_do_the_same_to_a_process() {
    let database = test_server::database().await.unwrap();
    let mut service = child::start(&database.url(), 1_024, Duration::from_secs(60)).await;
    let _strangers = strangers(service.addr).await;
    let began = Instant::now();
    service.signal(Signal::INT);
    assert!(service.ended().await.success());
    assert!(began.elapsed() < ms(4_000), "{:?}", began.elapsed());
    super::until("it tells", async || service.said("stopped: cut 0, at once false") == 1).await;

    let mut service = child::start(&database.url(), 1_024, Duration::from_secs(60)).await;
    let mut client = Client::connect(service.addr).await;
    client.send(GET_SLEEP).await;
    super::until("it runs", async || super::running(&database, "pg_sleep").await == 1).await;
    service.signal(Signal::TERM);
    super::until("nothing new is let in", async || {
        tokio::net::TcpStream::connect(service.addr).await.is_err()
    })
    .await;
    let asked = Instant::now();
    service.signal(Signal::INT);
    assert!(service.ended().await.success());
    assert!(asked.elapsed() < ms(4_000), "{:?}", asked.elapsed());
    super::until("it tells", async || service.said("at once true") == 1).await;
}
