//! Whoever logs in as the role of the service is limited, with the service or without it: 30 s shown, and a statement of
//! 35 s stopped by the server.

use crate::service;
use std::time::{Duration, Instant};
use tokio::process::Command;

async fn psql(url: &str, sql: &str) -> (bool, String) {
    let output = Command::new("psql").args([url, "-X", "-A", "-t", "-c", sql]).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
}

#[tokio::test]
async fn with_plain_psql() {
    let fleet = service::start().await;
    let url = fleet.reached.app_url.unwrap();
    assert_eq!(psql(&url, "show statement_timeout").await, (true, "30s".to_owned()));
    assert_eq!(psql(&url, "show lock_timeout").await.1, "5s");
    assert_eq!(psql(&url, "show idle_in_transaction_session_timeout").await.1, "30s");
    assert_eq!(psql(&url, "show client_connection_check_interval").await.1, "2s");
    let version = psql(&url, "show server_version_num").await.1.parse::<u32>().unwrap();
    let transaction = psql(&url, "show transaction_timeout").await;
    assert_eq!(transaction.0, version >= 170_000, "{transaction:?}");
    assert!(version < 170_000 || transaction.1 == "1min", "{transaction:?}");
    let begun = Instant::now();
    let (ended_well, said) = psql(&url, "select pg_sleep(35)").await;
    let took = begun.elapsed();
    assert!(!ended_well);
    assert_eq!(said, "ERROR:  canceling statement due to statement timeout");
    assert!(took >= Duration::from_secs(29), "{took:?}");
}

#[tokio::test]
async fn and_so_does_every_checkout_of_the_services_pool() {
    let fleet = service::start().await;
    let db = &fleet.running.service().unwrap().pools.ui;
    assert_eq!((db.plan().pool_min(), db.plan().pool_max()), (2, 10));
    for checkout in 1..=100 {
        let shown = |name: &str| format!("SHOW {name}");
        for (name, value) in fleet::boot::role::LIMITS {
            let row = db.query_one(&shown(name), &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), value, "{name} at checkout {checkout}");
        }
    }
    let user = db.query_one("SELECT current_user::text", &[]).await.unwrap();
    assert_eq!(user.get::<_, String>(0), "fleet_app");
}
