//! Savepoints: a part of a transaction that may fail by itself.
//!
//! A savepoint is rolled back by the transaction's deadline, whatever its own deadline is: a part whose caller was told that
//! it is rolled back, and that is not, would be committed with the rest. If the rollback fails, the transaction cannot be
//! committed.

use super::Transaction;
use super::levels::{Entry, Level};
use super::open::{NotOpen, OpenTransaction};
use crate::call::connection::PooledConnection;
use crate::call::statement::executor::Executor;
use crate::error::{Outcome, Phase, Result};
use crate::rules::outcome::Scope;
use std::future::Future;
use std::sync::Arc;

pub(crate) async fn run<T, F, Fut>(outer: &Transaction, work: F) -> Result<T>
where
    T: Send,
    F: FnOnce(Transaction) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let core = &outer.core;
    let lease = core.enter(outer.level).await?;
    let Some(level) = core.levels.push(outer.level) else {
        return Err(Entry::Blocked.refusal(&core.work));
    };
    let open = OpenSavepoint { core, level, is_closed: false };
    let savepoint = format!("SAVEPOINT {}", name(level));
    if let Err(error) = control(core, &lease, Phase::Begin, &savepoint).await {
        // The savepoint does not exist, or the transaction has failed with it.
        open.close();
        return Err(error);
    }
    drop(lease);
    let answer = work(Transaction { core: Arc::clone(core), level }).await;
    let lease = core.lease()?;
    let error = match answer {
        Ok(value) => {
            let release = format!("RELEASE SAVEPOINT {}", name(level));
            match control(core, &lease, Phase::Statement, &release).await {
                Ok(()) => {
                    open.close();
                    return Ok(value);
                }
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    match core.undo(&lease, level).await {
        Ok(()) => {
            open.close();
            Err(error.with_outcome(Outcome::RolledBack))
        }
        Err(second) => {
            open.close();
            Err(error.and(format_args!(
                "it could not be undone, so the transaction cannot be committed: {second}"
            )))
        }
    }
}

/// An open savepoint. If it is dropped before its end was noted, it was abandoned.
struct OpenSavepoint<'a> {
    core: &'a OpenTransaction,
    level: Level,
    is_closed: bool,
}

impl OpenSavepoint<'_> {
    fn close(mut self) {
        self.is_closed = true;
        self.core.levels.remove(self.level);
    }
}

impl Drop for OpenSavepoint<'_> {
    fn drop(&mut self) {
        if !self.is_closed {
            self.core.levels.give_up(self.level);
        }
    }
}

fn name(level: Level) -> String {
    format!("plimsoll_{level}")
}

async fn control(core: &OpenTransaction, lease: &PooledConnection, phase: Phase, sql: &str) -> Result<()> {
    let executor = core.executor(lease);
    core.send_begin(&executor).await?;
    executor.run(phase, lease.inner().client.batch_execute(sql)).await
}

impl OpenTransaction {
    /// The lease, for a statement at this level, once all abandoned savepoints within it are undone.
    pub(crate) async fn enter(&self, level: Level) -> Result<Arc<PooledConnection>> {
        let mut lease = self.lease()?;
        if lease.inner().link.needs_settling() {
            // An abandoned statement that still runs may end the transaction.
            Box::pin(self.executor(&lease).settled()).await?;
            lease = self.lease()?;
        }
        match self.levels.entry(level) {
            Entry::Open => Ok(lease),
            Entry::After(given_up) => {
                Box::pin(self.undo(&lease, given_up)).await?;
                self.levels.remove(given_up);
                Ok(lease)
            }
            refused => Err(refused.refusal(&self.work)),
        }
    }

    /// Undoes abandoned savepoints, before COMMIT.
    pub(crate) async fn undo_abandoned(&self, lease: &PooledConnection) -> Result<()> {
        match self.levels.entry(0) {
            Entry::Open => Ok(()),
            Entry::After(given_up) => self.undo(lease, given_up).await,
            refused => Err(refused.refusal(&self.work)),
        }
    }

    /// Rolls back to a savepoint, by the transaction's own deadline. If that fails the transaction cannot be committed.
    async fn undo(&self, lease: &PooledConnection, level: Level) -> Result<()> {
        if self.why_not_open(lease) == Some(NotOpen::EndedFromWithin) {
            let error = self.not_open(NotOpen::EndedFromWithin, Phase::Rollback, Outcome::Unknown);
            return Err(error);
        }
        let name = name(level);
        let sql = format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}");
        let executor = Executor { deadline: self.deadline, ..self.executor(lease).at(Scope::InTransaction) };
        let undone = executor.run(Phase::Rollback, lease.inner().client.batch_execute(&sql)).await;
        if undone.is_err() {
            lease.inner().link.doom();
        }
        undone
    }
}
