//! A PostgreSQL of the service's own, for the first hour and for development: started with it, stopped with it, and its
//! rows kept in a folder in between.

use crate::boot::demo::Credentials;
use plimsoll_embedded::{Cluster, Error, Result, StopMode};
use std::path::Path;

/// The name of its database.
pub(crate) const DATABASE: &str = "fleet";

/// What tells of slow statements and of waits for locks, in the server's own log.
const SAID: [(&str, &str); 3] =
    [("log_min_duration_statement", "1s"), ("log_lock_waits", "on"), ("deadlock_timeout", "1s")];

/// For every login to the database, whatever its role.
const LIMITS: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "30s"), ("lock_timeout", "5s")];

const STATEMENTS: &str = "pg_stat_statements";

/// Starts it, where possible on the port of the last time, so that a URL which somebody wrote down stays good.
pub(crate) async fn start(folder: &Path, credentials: &Credentials) -> Result<Cluster> {
    let builder = Cluster::builder().data_dir(folder.join("postgres")).durable(true);
    let builder = SAID.into_iter().fold(builder, |builder, (name, value)| builder.setting(name, value));
    let cluster = match credentials.postgres_port {
        Some(port) => match builder.clone().port(port).start().await {
            Err(Error::PortTaken { .. }) => builder.start().await?,
            result => result?,
        },
        None => builder.start().await?,
    };
    let look = format!("SELECT 1 FROM pg_catalog.pg_database WHERE datname = '{DATABASE}'");
    if cluster.execute("postgres", &look).await?.is_empty() {
        cluster.create_database(DATABASE).await?;
    }
    // Nobody can put a temporary table in front of the service's own.
    let revoke = format!("REVOKE TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC");
    cluster.execute("postgres", &revoke).await?;
    for (name, value) in LIMITS {
        cluster.execute("postgres", &format!("ALTER DATABASE {DATABASE} SET {name} = '{value}'")).await?;
    }
    count_statements(&cluster).await?;
    Ok(cluster)
}

/// Which statements take the time is counted, where the server brings the library for it. That has to be there when it starts, so
/// the first start is two.
async fn count_statements(cluster: &Cluster) -> Result<()> {
    let is_there = format!("SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = '{STATEMENTS}'");
    if cluster.execute("postgres", &is_there).await?.is_empty() {
        return Ok(());
    }
    let loaded =
        cluster.execute("postgres", "SELECT current_setting('shared_preload_libraries') AS names").await?;
    if !loaded.iter().any(|row| row["names"].contains(STATEMENTS)) {
        let load = format!("ALTER SYSTEM SET shared_preload_libraries = '{STATEMENTS}'");
        cluster.execute("postgres", &load).await?;
        cluster.restart(StopMode::Fast).await?;
    }
    cluster.execute(DATABASE, &format!("CREATE EXTENSION IF NOT EXISTS {STATEMENTS}")).await?;
    Ok(())
}
