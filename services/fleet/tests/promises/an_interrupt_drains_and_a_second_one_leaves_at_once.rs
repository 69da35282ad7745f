//! ^C stops the service in order: what was taken is written and answered, and then it ends. Whoever asks twice is not
//! kept waiting, and nobody was told that anything is stored which is not.

use crate::process::Process;
use crate::service;
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const READING: &str = r#"{"temperature": 25}"#;

struct Started {
    process: Process,
    database: TestDatabase,
}

async fn start() -> Started {
    let database = test_server::database().await.unwrap();
    let process = Process::start(&database.url(), &[]).await;
    Started { process, database }
}

impl Started {
    /// A reading that is taken and cannot be written yet; true once it was acknowledged.
    async fn taken(&self) -> JoinHandle<bool> {
        let device = self.process.device.clone();
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
    started.process.device.send("d1", READING).await.accepted();
    let hold = service::hold_writes(&started.database).await;
    let sending = started.taken().await;
    started.process.interrupt().await;
    service::until("nobody new is let in", async || {
        started
            .process
            .device
            .http
            .get(format!("{}/healthz", started.process.device.url))
            .send()
            .await
            .is_err()
    })
    .await;
    assert!(started.process.child.try_wait().unwrap().is_none(), "it waits for what it has taken");
    hold.rollback().await;
    assert!(sending.await.unwrap(), "and answers it");
    let (status, _) = started.process.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(started.stored().await, 2);
}

#[tokio::test]
async fn the_second_waits_for_nobody() {
    let mut started = start().await;
    started.process.device.send("d1", READING).await.accepted();
    let hold = service::hold_writes(&started.database).await;
    let sending = started.taken().await;
    started.process.interrupt().await;
    service::until("nobody new is let in", async || {
        started
            .process
            .device
            .http
            .get(format!("{}/healthz", started.process.device.url))
            .send()
            .await
            .is_err()
    })
    .await;
    let asked = Instant::now();
    started.process.interrupt().await;
    let (status, _) = started.process.ended().await;
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
