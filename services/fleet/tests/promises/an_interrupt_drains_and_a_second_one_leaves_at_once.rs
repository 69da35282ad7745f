//! ^C stops the service in order: what was taken is written and answered, and then it ends. Whoever asks twice is not
//! kept waiting, and nobody was told that anything is stored which is not.

use crate::service::{self, Device};
use fleet::boot::demo::Credentials;
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

const READING: &str = r#"{"temperature": 25}"#;

/// The service as its own process, as somebody starts it in a terminal.
struct Started {
    process: Child,
    device: Device,
    database: TestDatabase,
    _folder: TempDir,
}

async fn start() -> Started {
    let database = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.env("DATABASE_URL", database.url()).env("FLEET_DATA", folder.path());
    command
        .env("FLEET_LISTEN", "127.0.0.1:0")
        .env("FLEET_DEMO", "on")
        .env("FLEET_ENV_FILE", "off")
        .env("AUTO_PROVISION", "on")
        .env("RUST_LOG", "warn");
    let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut url = None;
    let ready = async {
        while let Some(line) = said.next_line().await.unwrap() {
            match line.strip_prefix("fleet listens on ") {
                Some(found) => url = Some(found.to_owned()),
                None if line == "fleet is ready" => return,
                None => {}
            }
        }
        panic!("it ended before it was ready");
    };
    tokio::time::timeout(service::PATIENCE, ready).await.unwrap();
    // Read on, or the last words would find nobody and the next but one would block.
    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    let device = Device::of(url.unwrap(), Credentials::of_folder(folder.path()).unwrap());
    Started { process, device, database, _folder: folder }
}

impl Started {
    async fn interrupt(&self) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    }

    /// A reading that is taken and cannot be written yet; true once it was acknowledged.
    async fn taken(&self) -> JoinHandle<bool> {
        let device = self.device.clone();
        let url = format!("{}/ingest/v1/tenant/test/device/d1/telemetry", device.url);
        let sending = tokio::spawn(async move {
            let request = device.http.post(url).header("X-Provision-Token", &device.key).body(READING);
            request.send().await.is_ok_and(|answer| answer.status().as_u16() == 202)
        });
        service::until_writes_wait(&self.database, 1).await;
        sending
    }

    async fn stored(&self) -> i64 {
        service::number(&self.database, "SELECT count(*) AS n FROM telemetry").await
    }
}

#[tokio::test]
async fn the_first_writes_what_was_taken() {
    let mut started = start().await;
    started.device.send("d1", READING).await.accepted();
    let hold = service::hold_writes(&started.database).await;
    let sending = started.taken().await;
    started.interrupt().await;
    service::until("nobody new is let in", async || {
        started.device.http.get(format!("{}/healthz", started.device.url)).send().await.is_err()
    })
    .await;
    assert!(started.process.try_wait().unwrap().is_none(), "it waits for what it has taken");
    hold.rollback().await;
    assert!(sending.await.unwrap(), "and answers it");
    let status = tokio::time::timeout(service::PATIENCE, started.process.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(started.stored().await, 2);
}

#[tokio::test]
async fn the_second_waits_for_nobody() {
    let mut started = start().await;
    started.device.send("d1", READING).await.accepted();
    let hold = service::hold_writes(&started.database).await;
    let sending = started.taken().await;
    started.interrupt().await;
    service::until("nobody new is let in", async || {
        started.device.http.get(format!("{}/healthz", started.device.url)).send().await.is_err()
    })
    .await;
    let asked = Instant::now();
    started.interrupt().await;
    let status = tokio::time::timeout(service::PATIENCE, started.process.wait()).await.unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(!sending.await.unwrap(), "it was not stored, and nobody said that it was");
    hold.rollback().await;
    service::until("its session is gone", async || {
        let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                   AND application_name LIKE 'fleet%'";
        service::number(&started.database, sql).await == 0
    })
    .await;
    assert_eq!(started.stored().await, 1);
}
