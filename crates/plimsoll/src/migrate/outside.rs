//! Applies files whose statements commit one by one: `CREATE INDEX CONCURRENTLY` and other statements that refuse a
//! transaction.
//!
//! If such a file breaks off, nothing undoes it, so the history is written in two steps. A program that finds
//! `started` under the lock knows that an earlier run has broken off, and that only an operator can decide whether to
//! run the file again. A concurrent index build that broke off leaves an *invalid* index: it costs every write and
//! serves no query, and `IF NOT EXISTS` takes it for a finished one. So invalid indexes are looked up before the file
//! counts as done.

use super::apply::{FileOutcome, Run, limits};
use super::failure::{Failure, WhatRemains};
use super::file::Migration;
use super::plan::MigrationState;
use super::script;
use super::script::Statement;
use crate::call::connection::PooledConnection;
use crate::call::statement::executor::Executor;
use crate::call::transaction::{Transaction, TransactionGuard};
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use std::time::Duration;
use tokio::time::Instant;

const INVALID: &str = "SELECT pg_catalog.format('%I.%I', space.nspname, class.relname), class.relname::text \
    FROM pg_catalog.pg_index AS index JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid \
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace \
    WHERE NOT index.indisvalid AND class.relkind = 'i'";

/// An index whose build broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Invalid {
    /// With its schema, quoted.
    quoted: String,
    name: String,
}

impl Run<'_> {
    /// Applies a file outside a transaction, while another connection holds the lock.
    pub(super) async fn outside(&self, file: &Migration) -> Result<FileOutcome, Failure> {
        let Some(holder) = self.take_turn(Some(file.version)).await? else { return Ok(FileOutcome::Skipped) };
        if !self.is_pending(&holder, file).await? {
            holder.rollback().await;
            return Ok(FileOutcome::Skipped);
        }
        let was_begun = match self.was_begun(&holder, file).await {
            Ok(was_begun) => was_begun,
            Err(error) => {
                holder.rollback().await;
                return Err(Failure::untouched(error));
            }
        };
        let worker = self.db.named(self.work(Some(file.version))).acquire().await?;
        let before = invalid(&worker).await?;
        self.history.enter_at_once(&worker, file, MigrationState::Started, Duration::ZERO).await?;
        let began = Instant::now();
        let mut kept = 0;
        let result = async {
            self.still_my_turn(&holder).await?;
            if was_begun {
                self.drop_invalid(&worker, file, &before).await?;
            }
            for statement in script::statements(&file.sql) {
                self.alone(&worker, &statement).await.map_err(|error| Failure::at(&statement, error))?;
                refuse_open(&worker, &statement)?;
                kept += 1;
                self.still_my_turn(&holder).await?;
            }
            self.refuse_invalid(&worker, file, &before).await?;
            let took = began.elapsed();
            self.history.enter_at_once(&worker, file, MigrationState::Done, took).await?;
            Ok::<_, Failure>(FileOutcome::Applied(took))
        }
        .await;
        drop(worker);
        holder.rollback().await;
        result.map_err(|failure| Failure { kept: WhatRemains::First(kept), ..failure })
    }

    /// Whether the file was begun before; an error unless it may be run again.
    pub(super) async fn was_begun(&self, tx: &Transaction, file: &Migration) -> Result<bool> {
        let (history, _) = self.history.look_inside(tx).await?;
        let Some(record) = history.iter().find(|record| record.version == file.version) else {
            return Ok(false);
        };
        if self.options.rerun_started {
            return Ok(true);
        }
        Err(Error::new(
            Fault::Migration,
            Phase::Migrate,
            Outcome::NotStarted,
            format!(
                "{} was begun at {} by {} and never finished; it {}, so some of its statements may stay: look at what is there, and if the file bears to be run again, do so with rerun_started(true)",
                file.file,
                record.applied_at,
                record.applied_by,
                if file.outside_transaction {
                    "runs outside a transaction"
                } else {
                    "had not one transaction"
                }
            ),
        ))
    }

    /// Runs one statement by itself. A lock timeout leaves nothing of it, so the statement is tried again here.
    async fn alone(&self, worker: &PooledConnection, statement: &Statement<'_>) -> Result<()> {
        // A concurrent build that times out leaves an invalid index, and no other statement waits behind it.
        let is_concurrent = statement.is_concurrent();
        let lock_timeout = if is_concurrent { Duration::ZERO } else { self.options.lock_timeout };
        let executor = unlimited(worker);
        let client = &worker.inner().client;
        if !self.is_pooled {
            let sets = limits("SET", self.options, self.server_version, lock_timeout);
            executor.run(Phase::Statement, client.batch_execute(&sets)).await?;
        }
        let mut tried = 0;
        loop {
            match executor.run(Phase::Statement, client.batch_execute(statement.sql)).await {
                Err(error)
                    if error.fault() == Fault::LockTimeout
                        && !is_concurrent
                        && tried < self.options.retries =>
                {
                    tried += 1;
                    self.pause(tried).await;
                }
                answer => return answer,
            }
        }
    }

    /// Proves that the lock is still held, and releases the holder's snapshot. A query of the extended protocol leaves
    /// its portal open until the next one, and with it a snapshot for which a concurrent build would wait for ever; a
    /// query of the simple protocol closes both.
    async fn still_my_turn(&self, holder: &TransactionGuard) -> Result<()> {
        holder.script("SELECT 1").await.map_err(|error| {
            error.and(
                "the connection that holds the migration lock was lost, so another program may have begun",
            )
        })
    }

    /// Drops the invalid indexes of an earlier run.
    async fn drop_invalid(
        &self,
        worker: &PooledConnection,
        file: &Migration,
        found: &[Invalid],
    ) -> Result<()> {
        for index in found.iter().filter(|index| names(file, &index.name)) {
            tracing::info!(target: "plimsoll", "dropping {}, which an earlier run left invalid", index.quoted);
            let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted);
            let executor = unlimited(worker);
            executor.run(Phase::Statement, worker.inner().client.batch_execute(&sql)).await?;
        }
        Ok(())
    }

    async fn refuse_invalid(
        &self,
        worker: &PooledConnection,
        file: &Migration,
        before: &[Invalid],
    ) -> Result<()> {
        let is_ours = |index: &&Invalid| !before.contains(index) || names(file, &index.name);
        let found = invalid(worker).await?;
        let left: Vec<&str> = found.iter().filter(is_ours).map(|index| index.quoted.as_str()).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Fault::Migration,
            Phase::Migrate,
            Outcome::Committed,
            format!(
                "{} left invalid indexes ({}): writes pay for them and queries do not use them; rerun_started(true) drops and builds them anew",
                file.file,
                left.join(", ")
            ),
        ))
    }
}

/// Refuses a statement that left a transaction open: when the connection is returned, that would be rolled back
/// together with everything after it, the row in the history included.
fn refuse_open(worker: &PooledConnection, statement: &Statement<'_>) -> Result<(), Failure> {
    if worker.inner().link.state.status().is_idle() {
        return Ok(());
    }
    let sentence = "the statement left a transaction open, which is rolled back; a file outside a transaction is run statement by statement, and each commits by itself: take BEGIN out";
    let error = Error::new(Fault::Migration, Phase::Migrate, Outcome::RolledBack, sentence);
    Err(Failure::at(statement, error))
}

/// An executor without limits, for a statement outside a transaction.
fn unlimited(connection: &PooledConnection) -> Executor<'_> {
    Executor { limit: None, server_limit: None, ..connection.executor().at(Scope::Autocommit) }
}

fn names(file: &Migration, index: &str) -> bool {
    script::statements(&file.sql).iter().any(|statement| statement.names(index))
}

async fn invalid(worker: &PooledConnection) -> Result<Vec<Invalid>> {
    let rows = worker.query(INVALID, &[]).await?;
    rows.iter().map(|row| Ok(Invalid { quoted: row.try_get(0)?, name: row.try_get(1)? })).collect()
}
