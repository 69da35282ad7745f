//! Clients of a private server, which the demo and the outages in small set side by side: Plimsoll, the driver alone, and a plain pool.

use anyhow::{Context, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use plimsoll::Settings;
use plimsoll::settings::PoolerMode;
use plimsoll_embedded::Cluster;
use tokio_postgres::NoTls;

/// Plimsoll as it comes, apart from its size. The server is reached at this port, where something may stand in between.
pub(crate) fn settings(cluster: &Cluster, port: u16, size: usize) -> Settings {
    Settings::default()
        .hosts(format!("{}:{port}", cluster.host()))
        .user(cluster.superuser())
        .password(cluster.password())
        .dbname("postgres")
        .pooler(PoolerMode::None)
        .pool_min(size)
        .pool_max(size)
        .max_overflow(0)
}

/// The driver.
pub(crate) fn driver(cluster: &Cluster, port: u16) -> tokio_postgres::Config {
    let mut driver = tokio_postgres::Config::new();
    driver.host(cluster.host()).port(port).user(cluster.superuser()).password(cluster.password());
    driver.dbname("postgres");
    driver
}

/// deadpool as it comes, apart from its size and from how it tests a connection before it lends it.
pub(crate) fn plain(
    cluster: &Cluster,
    port: u16,
    size: usize,
    recycling_method: RecyclingMethod,
) -> Result<Pool> {
    let recycling = ManagerConfig { recycling_method };
    let manager = Manager::from_config(driver(cluster, port), NoTls, recycling);
    Pool::builder(manager).max_size(size).build().context("the pool of deadpool")
}
