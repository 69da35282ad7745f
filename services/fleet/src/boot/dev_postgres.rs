//! A PostgreSQL of the service's own, for the first hour and for development: started with it, stopped with it, and its
//! rows kept in a folder in between.

use crate::boot::demo::Credentials;
use plimsoll_embedded::{Cluster, Error, Result};
use std::path::Path;

/// The name of its database.
pub(crate) const DATABASE: &str = "fleet";

/// Starts it, where possible on the port of the last time, so that a URL which somebody wrote down stays good.
pub(crate) async fn start(folder: &Path, credentials: &Credentials) -> Result<Cluster> {
    let builder = Cluster::builder().data_dir(folder.join("postgres")).durable(true);
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
    Ok(cluster)
}
