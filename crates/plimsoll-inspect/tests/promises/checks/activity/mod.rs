//! Checks A.

mod advisory_locks;
mod blocked_sessions;
mod deadlocks;
mod idle_in_transaction;
mod long_queries;
mod oldest_transaction;
mod prepared;
mod xmin_horizon;

use tokio_postgres::Client;

/// Runs a statement that is going to be cancelled, on a task of its own.
fn runs(
    client: Client,
    sql: &'static str,
) -> tokio::task::JoinHandle<(Client, Result<(), tokio_postgres::Error>)> {
    tokio::spawn(async move {
        let ended = client.batch_execute(sql).await;
        (client, ended)
    })
}
