//! The two clients: one on Plimsoll, one on a pool as it comes, without a limit anywhere.

use crate::{in_one_line, private_server};
use anyhow::{Context, Result};
use deadpool_postgres::{Pool, RecyclingMethod};
use plimsoll::Database;
use plimsoll_embedded::Cluster;
use tokio_postgres::types::ToSql;

/// How the two are told apart on screens.
pub(super) const GUARDED: &str = "a pool of Plimsoll, with a deadline and a cap on each kind of work";
pub(super) const UNGUARDED: &str = "a plain pool, without limits";

/// Plimsoll on a server that is reached at this port.
pub(super) async fn guarded(cluster: &Cluster, port: u16, size: usize) -> Result<Database> {
    let settings = private_server::settings(cluster, port, size);
    Database::connect(settings).await.context("the guarded client")
}

/// deadpool, which asks each connection `SELECT 1` before it lends it.
pub(super) fn plain(cluster: &Cluster, port: u16, size: usize) -> Result<Pool> {
    let asks = RecyclingMethod::Custom("SELECT 1".to_owned());
    private_server::plain(cluster, port, size, asks).context("the unguarded client")
}

/// A statement on the plain pool.
pub(super) async fn on_plain(pool: Pool, sql: &'static str, id: Option<i64>) -> Result<(), String> {
    let client = pool.get().await.map_err(|error| in_one_line(&error.into()))?;
    let parameters: Vec<&(dyn ToSql + Sync)> = id.iter().map(|id| id as &(dyn ToSql + Sync)).collect();
    client.execute(sql, &parameters).await.map(drop).map_err(|error| match error.code() {
        Some(code) => code.code().to_owned(),
        None => in_one_line(&error.into()),
    })
}

/// An error of Plimsoll by its code.
pub(super) fn code(error: &plimsoll::Error) -> String {
    error.code().to_owned()
}
