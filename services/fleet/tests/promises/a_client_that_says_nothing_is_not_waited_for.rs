//! A client that brings nothing for five seconds, or half a head, loses its connection; who asks is served as long as it asks;
//! and no number of silent clients takes the descriptors that the pools need.

use crate::process::{self, Process};
use crate::service;
use plimsoll_embedded::{Cluster, StopMode};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ALIVE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Asks whether the service lives, on a connection that stays.
async fn ask(stream: &mut TcpStream) {
    stream.write_all(ALIVE).await.unwrap();
    let mut answer = [0; 4096];
    let read = tokio::time::timeout(service::PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer[..read]));
}

/// How long a connection goes on from here.
async fn lives(mut stream: TcpStream) -> Duration {
    let began = Instant::now();
    let _ = tokio::time::timeout(service::PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();
    began.elapsed()
}

#[tokio::test]
async fn longer_than_five_seconds() {
    let fleet = service::start().await;
    let connect = || process::connect(&fleet.device);
    let silent = connect().await;
    let (mut half, mut after, mut busy) = (connect().await, connect().await, connect().await);
    half.write_all(b"GET /healthz HT").await.unwrap();
    ask(&mut after).await;
    let asking = async {
        for _ in 0..8 {
            ask(&mut busy).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (silent, half, after, ()) = tokio::join!(lives(silent), lives(half), lives(after), asking);
    for (which, lived) in [("silent", silent), ("half a head", half), ("after a request", after)] {
        assert!(lived > Duration::from_secs(4) && lived < Duration::from_secs(8), "{which}: {lived:?}");
    }
}

#[tokio::test]
async fn nor_kept_while_the_pools_need_its_descriptor() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let process = Process::start_with_descriptors(256, &cluster.url("fleet")).await;
    process.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let mut strangers = JoinSet::new();
    for _ in 0..300 {
        let device = process.device.clone();
        // Each comes back when it is thrown out.
        strangers.spawn(async move {
            loop {
                if let Ok(mut stream) = TcpStream::connect(device.url.strip_prefix("http://").unwrap()).await
                {
                    let _ = stream.read(&mut [0]).await;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
    }
    let sockets = async || {
        let folder = format!("/proc/{}/fd", process.child.id().unwrap());
        std::fs::read_dir(folder).unwrap().count()
    };
    service::until("all sockets that strangers may have are taken", async || sockets().await > 120).await;
    cluster.restart(StopMode::Immediate).await.unwrap();
    service::until("the pools have connected again", async || {
        process.device.send("d1", r#"{"t": 2}"#).await.status == 202
    })
    .await;
    for _ in 0..20 {
        process.device.send("d1", r#"{"t": 3}"#).await.accepted();
    }
}

#[tokio::test]
async fn and_too_few_descriptors_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("ulimit -n 140; exec {} 2>&1", env!("CARGO_BIN_EXE_fleet"));
    let mut command = tokio::process::Command::new("bash");
    command.arg("-c").arg(script).env("DATABASE_URL", "postgresql://a:b@127.0.0.1:1/c");
    command.env("FLEET_LISTEN", "127.0.0.1:0").env("FLEET_DATA", folder.path()).env("FLEET_ENV_FILE", "off");
    let output = tokio::time::timeout(service::PATIENCE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("ulimit -n") && said.contains("140"), "{said}");
}
