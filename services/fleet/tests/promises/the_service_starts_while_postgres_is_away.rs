//! The service answers while its database is away: it lives, refuses readings for a while, and takes them again when
//! the database is back.

use crate::service::{self, Device};
use plimsoll_embedded::{Cluster, StopMode};
use std::time::{Duration, Instant};

const READING: &str = r#"{"temperature": 25}"#;

async fn refuses_for_now(device: &Device) {
    let begun = Instant::now();
    let answer = device.send("d1", READING).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "an answer within a request's time");
    assert_eq!((answer.status, answer.retry_after.is_some()), (503, true), "{answer:?}");
    assert_eq!(device.get_as("/healthz", None).await.status, 200);
}

#[tokio::test]
async fn and_heals_when_it_comes_back() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    cluster.stop_mode(StopMode::Fast).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let mut config = service::config(&cluster.url("fleet"), folder.path());
    config.pool_timeout_is_said = false;
    let running = fleet::start(config).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "it does not wait for the database");
    let credentials = fleet::boot::demo::Credentials::of_folder(folder.path()).unwrap();
    let device = Device::of(running.url(), credentials);
    refuses_for_now(&device).await;
    device.send("d1", READING).await.refused(503, "PL-HTTP-05");
    device.get("/api/v1/customer/devices").await.refused(503, "PL-HTTP-05");

    cluster.start_again().await.unwrap();
    tokio::time::timeout(service::PATIENCE, running.ready()).await.unwrap().unwrap();
    device.send("d1", READING).await.accepted();

    cluster.stop_mode(StopMode::Immediate).await.unwrap();
    refuses_for_now(&device).await;
    let health = device.get_as("/operator/system/health", Some(&device.operator)).await;
    assert_eq!((health.status, &health.body["status"]), (503, &"down".into()), "{health:?}");
    let error = health.body["components"]["postgres"]["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("Database unhealthy: "), "{health:?}");
    assert_eq!(health.body["components"]["postgres"]["status"], "down", "{health:?}");
    device.get_as("/api/health/database", None).await.refused(503, "DATABASE_UNHEALTHY");
    cluster.start_again().await.unwrap();
    service::until("a reading is taken again", async || device.send("d1", READING).await.status == 202).await;
    service::until("health says so", async || {
        device.get_as("/operator/system/health", Some(&device.operator)).await.body["status"] == "healthy"
    })
    .await;
    let rows = cluster.execute("fleet", "SELECT count(*) AS n FROM telemetry").await.unwrap();
    assert!(rows[0]["n"].parse::<i64>().unwrap() >= 2);
    running.stop().await;
}

#[tokio::test]
async fn it_ends_with_the_reason_when_waiting_heals_nothing() {
    let fleet = service::start().await;
    let mut config = service::config(&fleet.database.url(), fleet.folder.path());
    let nobody = plimsoll::Settings::from_url(fleet.database.url()).unwrap().user("nobody").password("wrong");
    config.database = fleet::Source::Given(Box::new(nobody));
    let running = fleet::start(config).await.unwrap();
    let ended = tokio::time::timeout(service::PATIENCE, running.ready()).await.unwrap();
    let error = ended.err().expect("a wrong password does not heal").to_string();
    assert!(error.contains("PL-CON-04"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_said_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
    config.listen = taken.local_addr().unwrap();
    let error = fleet::start(config).await.err().expect("the port is taken").to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(error.contains(&format!("port {port} is taken")) && error.contains("FLEET_LISTEN"), "{error}");
}
