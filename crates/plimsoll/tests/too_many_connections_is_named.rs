//! A server that has no connection left is named as that, and the pool heals when there is one again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod server;

use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::Cluster;
use server::bare;
use std::time::Duration;

#[tokio::test]
async fn a_full_server_is_called_full_and_heals() {
    let cluster = Cluster::builder()
        .setting("max_connections", "8")
        .setting("superuser_reserved_connections", "3")
        .setting("max_wal_senders", "0")
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'").await.unwrap();
    let url = format!("postgres://app:app@127.0.0.1:{}/postgres", cluster.port());
    let settings = server::settings(&url)
        .pool_timeout(Duration::from_millis(1_500))
        .tcp_user_timeout(Duration::from_secs(1));
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(bare(&url).await);
    }
    let db = Database::connect(settings).await.expect("a full server gives a handle: it may have room again");
    let error = db.named("order").acquire().await.unwrap_err();
    assert_eq!(error.fault(), Fault::TooManyConnections, "{error}");
    assert_eq!(error.outcome(), Outcome::NotStarted);
    assert_eq!(error.sqlstate().unwrap().code(), "53300");
    for part in ["53300", "order", "lower pool_max"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
    let waiting = tokio::spawn({
        let db = db.clone();
        async move { db.ready().await }
    });
    drop(others);
    tokio::time::timeout(server::PATIENCE, waiting).await.expect("healed").unwrap().unwrap();
    db.query_one("SELECT 1", &[]).await.unwrap();
}
