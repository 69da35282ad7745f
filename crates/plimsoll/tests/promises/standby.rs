//! A primary, its standbys, and a handle that knows of both.

use crate::server;
use plimsoll::{Call, Database, Settings};
use plimsoll_embedded::Cluster;
use std::time::Duration;

/// A server with an empty table `entry`.
pub(crate) async fn primary() -> Cluster {
    let cluster = Cluster::start().await.expect("a server");
    cluster.execute("postgres", "CREATE TABLE entry (id bigint NOT NULL)").await.expect("a table");
    cluster
}

/// A standby that has everything the primary has now.
pub(crate) async fn standby_of(primary: &Cluster) -> Cluster {
    let standby = Cluster::builder().standby_of(primary).start().await.expect("a standby");
    caught_up(primary, &standby).await;
    standby
}

/// How a handle is told of a server.
pub(crate) fn host(cluster: &Cluster) -> String {
    format!("127.0.0.1:{}", cluster.port())
}

/// Settings for this primary and these replicas, which are asked ten times as often as usual.
pub(crate) fn settings(primary: &Cluster, replicas: &[&Cluster]) -> Settings {
    let hosts: Vec<String> = replicas.iter().map(|replica| host(replica)).collect();
    server::settings(&primary.url("postgres"))
        .replica_hosts(hosts.join(","))
        .replica_check(Duration::from_millis(25))
        .tcp_user_timeout(Duration::from_secs(1))
}

/// A handle on them.
pub(crate) async fn database(primary: &Cluster, replicas: &[&Cluster]) -> Database {
    Database::connect(settings(primary, replicas)).await.expect("a handle")
}

/// The first value of the first row, as text.
pub(crate) async fn ask(cluster: &Cluster, sql: &str) -> String {
    let rows = cluster.execute("postgres", sql).await.expect(sql);
    rows.first().and_then(|row| row.values().next().cloned()).unwrap_or_default()
}

/// Waits until the standby has replayed all that is committed on the primary now.
pub(crate) async fn caught_up(primary: &Cluster, standby: &Cluster) {
    let place = ask(primary, "SELECT pg_current_wal_flush_lsn()").await;
    let has = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{place}', false)");
    server::until("the standby has caught up", server::PATIENCE, async || ask(standby, &has).await == "t")
        .await;
}

/// The port of the server on which this call ran.
pub(crate) async fn port_of(call: Call<'_>) -> u16 {
    let row = call.query_one("SELECT inet_server_port()", &[]).await.expect("a port");
    row.get::<_, i32>(0).try_into().expect("a port")
}

/// Waits until reads that demand nothing go to this many replicas.
pub(crate) async fn used(db: &Database, count: usize) {
    let what = format!("reads go to {count} replicas");
    server::until(&what, server::PATIENCE, async || {
        let routing = db.routing().expect("replicas");
        routing.replicas.iter().filter(|replica| replica.is_used).count() == count
    })
    .await;
}
