//! The two clients: one on Plimsoll, one on a pool as it comes, without a limit anywhere.

use anyhow::{Context, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use plimsoll::settings::PoolerMode;
use plimsoll::{Database, Settings};
use plimsoll_embedded::Cluster;
use std::fmt::Write;
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

/// How the two are told apart on screens.
pub(super) const GUARDED: &str = "a pool of Plimsoll, with a deadline and a cap on each kind of work";
pub(super) const UNGUARDED: &str = "a plain pool, without limits";

/// Plimsoll on a server that is reached at this port.
pub(super) async fn guarded(cluster: &Cluster, port: u16, size: usize) -> Result<Database> {
    let settings = Settings::default()
        .hosts(format!("{}:{port}", cluster.host()))
        .user(cluster.superuser())
        .password(cluster.password())
        .dbname("postgres")
        .pooler(PoolerMode::None)
        .pool_min(size)
        .pool_max(size)
        .max_overflow(0);
    Database::connect(settings).await.context("the guarded client")
}

/// deadpool, which asks each connection `SELECT 1` before it lends it.
pub(super) fn plain(cluster: &Cluster, port: u16, size: usize) -> Result<Pool> {
    let mut driver = tokio_postgres::Config::new();
    driver.host(cluster.host()).port(port).user(cluster.superuser()).password(cluster.password());
    driver.dbname("postgres");
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Custom("SELECT 1".to_owned()) };
    let manager = Manager::from_config(driver, NoTls, recycling);
    Pool::builder(manager).max_size(size).build().context("the unguarded client")
}

/// A statement on the plain pool.
pub(super) async fn on_plain(pool: Pool, sql: &'static str, id: Option<i64>) -> Result<(), String> {
    let client = pool.get().await.map_err(|error| in_a_line(&error))?;
    let parameters: Vec<&(dyn ToSql + Sync)> = id.iter().map(|id| id as &(dyn ToSql + Sync)).collect();
    client.execute(sql, &parameters).await.map(drop).map_err(|error| match error.code() {
        Some(code) => code.code().to_owned(),
        None => in_a_line(&error),
    })
}

/// An error of Plimsoll by its code.
pub(super) fn code(error: &plimsoll::Error) -> String {
    error.code().to_owned()
}

fn in_a_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(line, ": {error}");
        cause = error.source();
    }
    line
}
