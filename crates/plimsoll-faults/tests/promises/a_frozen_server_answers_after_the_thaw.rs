//! A PostgreSQL that stands still: every process of it, no connection closed, and no answer lost.

use std::time::Duration;

use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use tokio_postgres::{Client, Config, NoTls};

/// Long enough for a query that is going to be answered.
const ANSWERED: Duration = Duration::from_millis(150);

#[expect(clippy::disallowed_methods, reason = "the server is under test here and not the client")]
async fn connect(cluster: &Cluster) -> Client {
    let config: Config = cluster.url("postgres").parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn backend(client: &Client) -> u32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    row.get::<_, i32>(0).unsigned_abs()
}

fn state(pid: u32) -> char {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[tokio::test]
async fn with_every_one_of_its_processes() {
    let cluster = Cluster::start().await.unwrap();
    let clients = [connect(&cluster).await, connect(&cluster).await];
    let backends = [backend(&clients[0]).await, backend(&clients[1]).await];
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    assert!(backends.iter().all(|pid| server.pids().contains(pid)));

    let frozen = server.freeze().await.unwrap();
    assert!(server.is_frozen() && frozen >= 3, "{frozen}");
    for pid in server.pids() {
        assert_eq!(state(pid), 'T', "{pid}");
    }
    let mut query = std::pin::pin!(clients[0].query_one("SELECT 41 + 1", &[]));
    assert!(tokio::time::timeout(ANSWERED, &mut query).await.is_err(), "a frozen server answers nothing");

    server.thaw().unwrap();
    assert!(!server.is_frozen());
    assert_eq!(query.await.unwrap().get::<_, i32>(0), 42, "the answer is late and not lost");
    let _still_takes_connections = connect(&cluster).await;
}

#[tokio::test]
async fn while_it_is_making_new_ones() {
    let cluster = Cluster::start().await.unwrap();
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let config: Config = cluster.url("postgres").parse().unwrap();
    let port = config.get_ports()[0];
    let mut callers = Vec::new();
    for _ in 0..10 {
        // Each of these makes the postmaster fork, at a moment that nobody controls.
        for _ in 0..10 {
            callers.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        }
        server.freeze().await.unwrap();
        let moving: Vec<_> =
            server.pids().into_iter().filter(|pid| !matches!(state(*pid), 'T' | 'Z')).collect();
        assert!(moving.is_empty(), "{moving:?} move while the server is frozen");
        server.thaw().unwrap();
        callers.clear();
    }
    assert_eq!(connect(&cluster).await.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test]
async fn killed_it_is_gone_with_all_of_them_and_starts_again() {
    let cluster = Cluster::start().await.unwrap();
    let client = connect(&cluster).await;
    let pid = cluster.pid().unwrap();
    let server = Process::attach_tree(pid).unwrap();
    let killed = server.kill().await.unwrap();
    assert!(killed >= 2 && !server.is_alive() && server.pids().is_empty(), "{killed}");
    assert!(client.query_one("SELECT 1", &[]).await.is_err());

    cluster.start_again().await.unwrap();
    assert_ne!(cluster.pid(), Some(pid));
    let again = connect(&cluster).await;
    assert_eq!(again.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    assert!(
        server.freeze().await.unwrap_err().to_string().contains("is gone"),
        "the old one is not the new one"
    );
}
