//! A PgBouncer that lends server connections for a transaction is found by itself on any port. Where `USE_PGBOUNCER=true` or
//! its port says so beforehand, the pool is as small as such a pooler wants it; buys are booked through it either way.

use crate::started::{Started, until};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use serde_json::json;

async fn said_or_found(version: PgBouncerVersion) {
    let cluster = Cluster::start().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).version(version).pool_mode(PoolMode::Transaction);
    let bouncer = bouncer.start().await.unwrap();
    let url = bouncer.url("postgres");
    for (said, sizes) in [(None, (10, 30)), (Some(("USE_PGBOUNCER", "true")), (2, 7))] {
        let variables: Vec<_> = [("DATABASE_URL", url.as_str())].into_iter().chain(said).collect();
        let started = Started::with(env!("CARGO_BIN_EXE_sales-agent"), &variables).await;
        let buy = json!({ "buyer_ref": format!("{said:?}"), "budget_cents": 100 });
        until("a buy is booked", async || started.http.post("/media-buys", &buy).await.status < 300).await;
        let pool = started.http.get("/pool").await.body;
        assert_eq!(pool["pgbouncer"], true, "{said:?}: {pool}");
        let told = (pool["size"].as_i64().unwrap(), pool["maximum"].as_i64().unwrap());
        assert_eq!(told, sizes, "{said:?}: {pool}");
        assert!(started.stop().await.success());
    }
}

plimsoll_embedded::on_each_pgbouncer!(said_or_found);

#[tokio::test]
async fn and_a_plain_server_is_none() {
    let database = plimsoll_embedded::test_server::database().await.unwrap();
    let url = database.url();
    let started = Started::with(env!("CARGO_BIN_EXE_sales-agent"), &[("DATABASE_URL", url.as_str())]).await;
    let pool = async || started.http.get("/pool").await.body;
    until("it knows its server", async || !pool().await["pgbouncer"].is_null()).await;
    assert_eq!(pool().await["pgbouncer"], false);
    assert!(started.stop().await.success());
}
