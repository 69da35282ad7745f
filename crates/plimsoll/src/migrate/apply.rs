//! Applies the pending files, one after the other.
//!
//! A file that fails for a reason that may pass (a lock timeout, a deadlock, a lost connection) is tried again,
//! beginning with the lock, so the history decides each time whether there is still something to do. That also settles
//! a COMMIT whose answer was lost: as long as the old backend lives it holds the lock, and afterwards the history says
//! whether it committed.

use super::failure::{Failure, WhatRemains, may_pass};
use super::file::Migration;
use super::history::History;
use super::mark::{Mark, MarkState};
use super::plan;
use super::plan::{MigrationState, Record, Todo};
use super::{Applied, MigrateOptions, Report, other_tools, refused, script};
use crate::call::database::Database;
use crate::call::transaction::Transaction;
use crate::error::{Error, Result};
use crate::sql::residue;
use crate::sql::residue::Residue;
use crate::wire::guardrails::HAS_TRANSACTION_TIMEOUT;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The state of one call of `migrate`.
pub(super) struct Run<'a> {
    pub(super) db: &'a Database,
    pub(super) files: &'a [Migration],
    pub(super) options: &'a MigrateOptions,
    pub(super) history: History,
    /// `SET LOCAL` statements for the limits while files are applied.
    pub(super) limits: String,
    pub(super) server_version: u32,
    pub(super) is_pooled: bool,
}

/// How one file ended without an error.
pub(super) enum FileOutcome {
    Applied(Duration),
    /// Another program has applied it.
    Skipped,
}

impl<'a> Run<'a> {
    /// Reads on a first connection what depends on the server.
    pub(super) async fn open(
        db: &'a Database,
        files: &'a [Migration],
        options: &'a MigrateOptions,
    ) -> Result<Self> {
        let connection = db.named("migrate").acquire().await?;
        let history = History::of(&connection).await?;
        let server_version = connection.server_version();
        let is_pooled = connection.inner().is_pooled_by_transaction();
        let limits = limits("SET LOCAL", options, server_version, options.lock_timeout);
        Ok(Run { db, files, options, history, limits, server_version, is_pooled })
    }

    /// Applies the pending files, and records them in the report, also if a later file fails.
    pub(super) async fn all(&self, report: &mut Report) -> Result<()> {
        let (history, has_tables) = {
            let connection = self.db.named("migrate").acquire().await?;
            self.history.look(&connection).await?
        };
        let todo = self.todo(&history, has_tables)?;
        report.already = todo.already;
        report.unknown.clone_from(&todo.unknown);
        if todo.pending.is_empty() && todo.baseline.is_empty() {
            return Ok(());
        }
        self.refuse_impossible(&todo)?;
        if history.is_empty() {
            report.baselined = self.prepare().await?;
        }
        for file in todo.pending {
            match self.apply_with_retries(file).await {
                Ok(FileOutcome::Applied(took)) => {
                    let (version, name) = (file.version, file.file.clone());
                    tracing::info!(target: "plimsoll", version, ms = took.as_millis(), "applied {name}");
                    report.applied.push(Applied { version, file: name, took });
                }
                Ok(FileOutcome::Skipped) => report.skipped.push(file.version),
                Err((failure, tried)) => return Err(failure.into_error(file, tried, report)),
            }
        }
        Ok(())
    }

    pub(super) fn todo(&self, history: &[Record], has_tables: bool) -> Result<Todo<'a>> {
        plan::todo(self.files, history, has_tables, self.options).map_err(refused)
    }

    /// The name under which a file's connections are lent.
    pub(super) fn work(&self, version: Option<i64>) -> String {
        match self.files.iter().find(|file| Some(file.version) == version) {
            Some(file) => format!("migrate {}", file.file),
            None => "migrate".to_owned(),
        }
    }

    /// Refuses files that this connection or this pool cannot apply.
    fn refuse_impossible(&self, todo: &Todo<'_>) -> Result<()> {
        let mut problems = Vec::new();
        let total = self.db.plan().pool_total();
        for file in &todo.pending {
            if file.outside_transaction && total < 2 {
                problems.push(format!(
                    "{} runs outside a transaction, so another connection must hold the lock, and the pool has only {total}; raise pool_max to 2",
                    file.file
                ));
            }
            problems.extend(other_tools::problems(&file.file, &file.sql));
            if self.is_pooled {
                problems.extend(leaves_session_state(file));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(refused(problems)) }
    }

    /// Creates the history and records the baseline, with retries as for a file.
    async fn prepare(&self) -> Result<Vec<i64>> {
        let mut tried = 0;
        loop {
            match self.make_history().await {
                Err(error) if may_pass(&error) && tried < self.options.retries => {
                    tried += 1;
                    self.pause(tried).await;
                }
                answer => return answer,
            }
        }
    }

    async fn make_history(&self) -> Result<Vec<i64>> {
        let Some(tx) = self.take_turn(None).await? else { return Ok(Vec::new()) };
        let (history, has_tables) = self.history.look_inside(&tx).await?;
        tx.script(&self.history.create).await.map_err(|error| {
            error.and(format!("the history of schema {} could not be made", self.history.schema))
        })?;
        let baseline = self.todo(&history, has_tables)?.baseline;
        for file in &baseline {
            self.history.enter(&tx, file, MigrationState::Baseline, Duration::ZERO).await?;
        }
        tx.commit().await?;
        Ok(baseline.iter().map(|file| file.version).collect())
    }

    /// Applies a file, with as many retries as are allowed. An error comes with the number of tries.
    async fn apply_with_retries(&self, file: &Migration) -> Result<FileOutcome, (Failure, u32)> {
        let mut tried = 0;
        loop {
            let done =
                if file.outside_transaction { self.outside(file).await } else { self.inside(file).await };
            let failure = match done {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            tried += 1;
            if !failure.may_pass() || tried > self.options.retries {
                return Err((failure, tried));
            }
            tracing::warn!(
                target: "plimsoll", tried, code = failure.error.code(),
                "{} was rolled back and is tried again: {}", file.file, failure.error.sentence()
            );
            self.pause(tried).await;
        }
    }

    /// A pause with jitter that grows with each try, so that other waiters for the lock on the table are served.
    pub(super) async fn pause(&self, tried: u32) {
        let full = self.options.retry_pause * tried.clamp(1, 10);
        sleep(full.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }

    /// Applies a file and records it in the history, in one transaction.
    async fn inside(&self, file: &Migration) -> Result<FileOutcome, Failure> {
        let Some(tx) = self.take_turn(Some(file.version)).await? else { return Ok(FileOutcome::Skipped) };
        let ready = async {
            let is_pending = self.is_pending(&tx, file).await?;
            if is_pending {
                self.was_begun(&tx, file).await?;
            }
            Ok::<_, Error>(is_pending)
        };
        match ready.await {
            Ok(true) => {}
            Ok(false) => {
                tx.rollback().await;
                return Ok(FileOutcome::Skipped);
            }
            Err(error) => {
                tx.rollback().await;
                return Err(Failure::untouched(error));
            }
        }
        match self.statements(&tx, file).await {
            Ok(took) => {
                tx.commit().await?;
                Ok(FileOutcome::Applied(took))
            }
            Err(failure) => {
                tx.rollback().await;
                Err(self.note_parts(file, failure).await)
            }
        }
    }

    /// Runs the statements, verifies that all of them ran in the transaction that was opened for them, and records the
    /// file.
    async fn statements(&self, tx: &Transaction, file: &Migration) -> Result<Duration, Failure> {
        let mark = Mark::set(tx).await?;
        let began = Instant::now();
        if let Err(failure) = run_inside(tx, file, &mark).await {
            if failure.kept != WhatRemains::Nothing {
                return Err(failure);
            }
            let kept = match mark.go_back(tx, self.db.plan().reclaim_timeout()).await {
                MarkState::Intact => WhatRemains::Nothing,
                MarkState::NoAnswer => WhatRemains::NothingSeen,
                MarkState::Ended => WhatRemains::Parts { is_noted: false },
            };
            return Err(Failure { kept, ..failure });
        }
        let took = began.elapsed();
        if mark.release(tx).await? == MarkState::Ended {
            return Err(Failure::ended(tx, None));
        }
        self.history.enter(tx, file, MigrationState::Done, took).await?;
        Ok(took)
    }

    /// Records a file that may be kept in part as `started`, so that it runs again only with `rerun_started`.
    async fn note_parts(&self, file: &Migration, failure: Failure) -> Failure {
        if !matches!(failure.kept, WhatRemains::Parts { .. }) {
            return failure;
        }
        let entered = async {
            let connection = self.db.named(self.work(Some(file.version))).acquire().await?;
            self.history.enter_started(&connection, file).await
        };
        let is_noted = entered.await.is_ok();
        Failure { kept: WhatRemains::Parts { is_noted }, ..failure }
    }

    /// Whether the file is still pending, now that the lock is held.
    pub(super) async fn is_pending(&self, tx: &Transaction, file: &Migration) -> Result<bool> {
        let (history, has_tables) = self.history.look_inside(tx).await?;
        let todo = self.todo(&history, has_tables)?;
        Ok(todo.pending.iter().any(|pending| pending.version == file.version))
    }
}

/// Runs the statements of a file one by one, as long as the transaction that was opened for them is open.
async fn run_inside(tx: &Transaction, file: &Migration, mark: &Mark) -> Result<(), Failure> {
    for statement in script::statements(&file.sql) {
        tx.script(statement.sql).await.map_err(|error| Failure::at(&statement, error))?;
        if mark.after(tx, &statement).await? == MarkState::Ended {
            return Err(Failure::ended(tx, Some(&statement)));
        }
    }
    Ok(())
}

/// The problem that a statement would leave something in a session that other clients use afterwards.
fn leaves_session_state(file: &Migration) -> Option<String> {
    let statement = script::statements(&file.sql).into_iter().find(|statement| {
        let left = residue::of_sql(statement.sql.as_bytes(), None);
        // DO and CALL may leave anything but seldom do; the connection is discarded after them.
        !left.is_none() && left != Residue::ANYTHING
    })?;
    Some(format!(
        "{} line {}: behind a transaction pooler this would be left to a stranger in the session; write SET LOCAL, or migrate on a direct connection",
        file.file, statement.line
    ))
}

/// The statements that set the limits for applying files.
pub(super) fn limits(verb: &str, options: &MigrateOptions, version: u32, lock_timeout: Duration) -> String {
    let millis = |span: Duration| span.as_millis().clamp(0, i32::MAX as u128);
    let statement = options.statement_timeout.map_or(0, millis);
    let mut sql = format!(
        "{verb} statement_timeout = {statement}; {verb} lock_timeout = {}; \
         {verb} idle_in_transaction_session_timeout = 0;",
        millis(lock_timeout)
    );
    if version >= HAS_TRANSACTION_TIMEOUT {
        sql.push_str(&format!(" {verb} transaction_timeout = 0;"));
    }
    sql
}
