//! Who asks and leaves stops its statement on the server. Who sends a reading and leaves while it is written does not:
//! others may be in the same batch, and the reading is stored as if its client were there.

use crate::process;
use crate::service::{self, Fleet};
use plimsoll::{Database, Settings};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// How many sessions of the service wait for a lock.
async fn waiting(fleet: &Fleet) -> i64 {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND wait_event_type = 'Lock' AND application_name LIKE 'fleet-%'";
    fleet.number(sql).await
}

#[tokio::test]
async fn of_a_list() {
    let fleet = service::start().await;
    assert_eq!(fleet.device.get("/customer/devices").await.status, 200);
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE device_registry IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut socket = process::connect(&fleet.device).await;
    let ask = format!(
        "GET /customer/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        fleet.device.token
    );
    socket.write_all(ask.as_bytes()).await.unwrap();
    service::until("its statement waits", async || waiting(&fleet).await == 1).await;
    drop(socket);
    // The lock would end it after five seconds, the request after fifteen.
    let stopped = service::until("it is stopped", async || waiting(&fleet).await == 0);
    timeout(Duration::from_secs(3), stopped).await.expect("at once");
    hold.rollback().await;
    assert_eq!(fleet.device.get("/customer/devices").await.status, 200);
}

#[tokio::test]
async fn of_a_reading() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let device = fleet.device.clone();
    let sending = tokio::spawn(async move { device.send("d1", r#"{"t": 2}"#).await.status });
    fleet.until_writes_wait(1).await;
    sending.abort();
    assert!(sending.await.is_err(), "it has left");
    hold.rollback().await;
    service::until("it is stored", async || fleet.readings().await == 2).await;
}
