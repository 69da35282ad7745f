//! The service `fleet` as it is run, in this process, on a durable server of its own.
//!
//! The server survives a crash (fsync is on), because what is measured is how a service waits for its disk; and a device may
//! send as often as it likes, because the limit for that is another question.

pub mod client;
pub mod ingest;
pub mod list;
mod one_by_one;

use anyhow::{Context, Result, anyhow};
use fleet::boot::demo::Credentials;
use fleet::service::Ready;
use fleet::{Config, Running};
use plimsoll_embedded::Cluster;
use std::net::SocketAddr;
use tempfile::TempDir;

/// A fleet with everything around it. Its server is stopped when it is dropped.
pub struct Fleet {
    pub running: Running,
    pub credentials: Credentials,
    pub cluster: Cluster,
    _folder: TempDir,
}

/// The name of the database.
const DATABASE: &str = "fleet";

impl Fleet {
    pub async fn start() -> Result<Self> {
        let cluster = Cluster::builder().durable(true).setting("max_connections", "200").start().await?;
        cluster.create_database(DATABASE).await?;
        let folder = tempfile::tempdir()?;
        let (url, data) = (cluster.url(DATABASE), folder.path().display().to_string());
        let variable = |name: &str| {
            let value = match name {
                "DATABASE_URL" => &url,
                "FLEET_DATA" => &data,
                "FLEET_LISTEN" => "127.0.0.1:0",
                "FLEET_DEMO" | "AUTO_PROVISION" => "on",
                "FLEET_ENV_FILE" | "FLEET_SIGUSR1" => "off",
                "FLEET_RATE_LIMIT_RPS" | "FLEET_RATE_LIMIT_BURST" => "1000000",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let running = fleet::start(Config::from_env_with(variable)?).await?;
        let reached = running.ready().await?;
        let credentials = reached.demo.context("the service has made no tenant")?;
        Ok(Fleet { running, credentials, cluster, _folder: folder })
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    pub fn ready(&self) -> Result<&Ready> {
        self.running.service().context("the service is not ready")
    }

    /// Runs this as the superuser.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.cluster.execute(DATABASE, sql).await?;
        Ok(())
    }

    /// A number out of the database, as `n`, asked as the superuser.
    pub async fn number(&self, sql: &str) -> Result<f64> {
        let rows = self.cluster.execute(DATABASE, sql).await?;
        let n = rows.first().and_then(|row| row.get("n")).ok_or_else(|| anyhow!("no number: {sql}"))?;
        Ok(n.parse()?)
    }

    /// Ends both.
    pub async fn stop(self) -> Result<()> {
        self.running.stop().await;
        Ok(self.cluster.stop().await?)
    }
}
