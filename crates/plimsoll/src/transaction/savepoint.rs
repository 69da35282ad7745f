//! Savepoints: a part of a transaction that may fail by itself.

use super::Transaction;
use crate::error::{Phase, Result};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) async fn run<T, F, Fut>(outer: &Transaction, work: F) -> Result<T>
where
    T: Send,
    F: FnOnce(Transaction) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let number = outer.core.savepoints.fetch_add(1, Ordering::Relaxed);
    let name = format!("plimsoll_{number}");
    control(outer, Phase::Begin, &format!("SAVEPOINT {name}")).await?;
    match work(Transaction { core: Arc::clone(&outer.core) }).await {
        Ok(value) => {
            control(outer, Phase::Statement, &format!("RELEASE SAVEPOINT {name}")).await?;
            Ok(value)
        }
        Err(error) => {
            let undo = format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}");
            // If this fails the transaction stays failed, and its COMMIT will say so.
            if let Err(second) = control(outer, Phase::Rollback, &undo).await {
                tracing::debug!(target: "plimsoll", "a savepoint could not be rolled back: {second}");
            }
            Err(error)
        }
    }
}

async fn control(outer: &Transaction, phase: Phase, sql: &str) -> Result<()> {
    let lease = outer.core.lease()?;
    let guard = outer.core.guard(&lease);
    outer.core.send_begin(&guard).await?;
    guard.run(phase, lease.inner().client.batch_execute(sql)).await
}
