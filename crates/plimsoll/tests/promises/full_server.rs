//! A small server, and how it is filled.

use crate::server::{PATIENCE, try_bare, until};
use plimsoll_embedded::Cluster;
use tokio_postgres::Client;

/// A server with room for five sessions of an ordinary role, and the URL of that role.
pub(crate) async fn of_five() -> (Cluster, String) {
    let cluster = Cluster::builder()
        .setting("max_connections", "8")
        .setting("superuser_reserved_connections", "3")
        .setting("max_wal_senders", "0")
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'").await.unwrap();
    let url = format!("postgres://app:app@{}:{}/postgres", cluster.host(), cluster.port());
    (cluster, url)
}

/// Takes every connection that is left.
pub(crate) async fn fill(url: &str) -> Vec<Client> {
    let mut others = Vec::new();
    while let Ok(other) = try_bare(url).await {
        others.push(other);
    }
    others
}

/// Takes all five. The session that set the server up may not have left it yet.
pub(crate) async fn take_all(url: &str) -> Vec<Client> {
    let mut others = Vec::new();
    until("the server is full", PATIENCE, async || {
        others.extend(fill(url).await);
        others.len() == 5
    })
    .await;
    others
}
