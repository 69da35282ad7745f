//! Behind PgBouncer in transaction mode the service does all that it does without it, and a tenant's name never stays
//! behind on a server connection that the next one gets.

use crate::service::{self, Device};
use plimsoll::Pooler;
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use tokio::task::JoinSet;

const PASSWORD: &str = "said-to-both";

async fn with_two_connections_to_the_server(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .user(fleet::boot::role::NAME, PASSWORD)
        .setting("default_pool_size", "2");
    let bouncer = bouncer.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&bouncer.url("fleet"), folder.path());
    config.app_password = Some(PASSWORD.into());
    let running = fleet::start(config).await.unwrap();
    let reached = tokio::time::timeout(service::PATIENCE, running.ready()).await.unwrap().unwrap();
    let device = Device::of(running.url(), reached.demo.unwrap());
    let db = &running.service().unwrap().pools.ingest;
    assert_eq!(db.pooler(), Some(Pooler::Transaction));

    let mut sending = JoinSet::new();
    for n in 0..100 {
        let device = device.clone();
        sending.spawn(async move { device.send(&format!("d{}", n % 20), r#"{"t": 1}"#).await });
    }
    for answer in sending.join_all().await {
        answer.accepted();
    }
    let rows = cluster.execute("fleet", "SELECT count(*) AS n FROM telemetry").await.unwrap();
    assert_eq!(rows[0]["n"], "100");
    let rows = cluster.execute("fleet", "SELECT active_device_count AS n FROM subscriptions").await.unwrap();
    assert_eq!(rows[0]["n"], "20");
    let listed = device.get("/api/v1/customer/devices").await;
    assert_eq!(listed.body["devices"].as_array().unwrap().len(), 20);
    for _ in 0..10 {
        let seen = db.query_one("SELECT count(*) FROM device_registry", &[]).await.unwrap();
        assert_eq!(seen.get::<_, i64>(0), 0, "without a tenant there is nothing to be seen");
    }
    running.stop().await;
}

plimsoll_embedded::on_each_pgbouncer!(with_two_connections_to_the_server);
