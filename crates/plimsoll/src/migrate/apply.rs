//! Applying what is to be done, one file after the other.
//!
//! A file that fails for a reason that passes (a lock that was not to be had, a deadlock, a lost connection) is tried
//! again from the lock on, so the history decides each time whether there is still something to do. That also settles
//! a COMMIT whose answer was lost: as long as the old backend lives it holds the lock, and afterwards the history says
//! whether it committed.

use super::file::Migration;
use super::history::History;
use super::plan::{self, Record, State, Todo};
use super::script::{self, Statement};
use super::{Applied, MigrateOptions, Report, refused};
use crate::database::Database;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::sql::residue::{self, Residue};
use crate::transaction::Transaction;
use crate::wire::guardrails::HAS_TRANSACTION_TIMEOUT;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What one call of `migrate` works with.
pub(super) struct Run<'a> {
    pub(super) db: &'a Database,
    pub(super) files: &'a [Migration],
    pub(super) options: &'a MigrateOptions,
    pub(super) history: History,
    /// SET LOCAL of the limits that hold while files are applied.
    pub(super) limits: String,
    pub(super) server_version: u32,
    pub(super) is_pooled: bool,
}

/// How applying one file ended well.
pub(super) enum Done {
    Applied(Duration),
    /// Another program has done it.
    Skipped,
}

/// How it failed: the error, in which statement, and whether the file may be tried again.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Number and line.
    pub(super) place: Option<(usize, usize)>,
    /// How many statements stay, of a file outside a transaction.
    pub(super) kept: Option<usize>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, place: None, kept: None }
    }
}

impl Failure {
    pub(super) fn at(statement: &Statement<'_>, error: Error) -> Self {
        let position = error.as_db_error().and_then(|db| db.position());
        let line = match position {
            Some(tokio_postgres::error::ErrorPosition::Original(at)) => statement.line_at(*at),
            _ => statement.line,
        };
        Failure { error, place: Some((statement.number, line)), kept: None }
    }

    /// Whether the file may be begun anew.
    fn may_pass(&self) -> bool {
        self.kept.is_none() && may_pass(&self.error)
    }
}

/// Whether what failed may pass, and nothing of it stays, or the history will tell.
fn may_pass(error: &Error) -> bool {
    let is_lost_commit = error.phase() == Phase::Commit && error.outcome() == Outcome::Unknown;
    let is_elsewhere = matches!(error.phase(), Phase::Acquire | Phase::Connect | Phase::Migrate);
    !is_elsewhere && (error.may_run_again() || is_lost_commit)
}

impl<'a> Run<'a> {
    /// Learns on a first connection what the rest needs to know.
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

    /// Applies what is to be done, and writes into the report what was, also when a later file fails.
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
            match self.patiently(file).await {
                Ok(Done::Applied(took)) => {
                    let (version, name) = (file.version, file.file.clone());
                    tracing::info!(target: "plimsoll", version, ms = took.as_millis(), "applied {name}");
                    report.applied.push(Applied { version, file: name, took });
                }
                Ok(Done::Skipped) => report.skipped.push(file.version),
                Err((failure, tried)) => return Err(self.told(file, failure, tried, report)),
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

    /// What the files say that this connection or this pool cannot do.
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
            if self.is_pooled {
                problems.extend(left_to_strangers(file));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(refused(problems)) }
    }

    /// Makes the history and enters the baseline, and tries again as with a file.
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
        let Some(tx) = self.turn(None).await? else { return Ok(Vec::new()) };
        let (history, has_tables) = self.history.look_inside(&tx).await?;
        tx.script(&self.history.create).await.map_err(|error| {
            error.and(format!("the history of schema {} could not be made", self.history.schema))
        })?;
        let baseline = self.todo(&history, has_tables)?.baseline;
        for file in &baseline {
            self.history.enter(&tx, file, State::Baseline, Duration::ZERO).await?;
        }
        tx.commit().await?;
        Ok(baseline.iter().map(|file| file.version).collect())
    }

    /// Applies a file, and tries again as often as is allowed; gives how often it tried.
    async fn patiently(&self, file: &Migration) -> Result<Done, (Failure, u32)> {
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

    /// Growing pauses with jitter, so that those who wait for the lock on the table get their turn.
    pub(super) async fn pause(&self, tried: u32) {
        let full = self.options.retry_pause * tried.clamp(1, 10);
        sleep(full.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }

    /// A file and its line in the history, in one transaction.
    async fn inside(&self, file: &Migration) -> Result<Done, Failure> {
        let Some(tx) = self.turn(Some(file.version)).await? else { return Ok(Done::Skipped) };
        match self.statements(&tx, file).await {
            Ok(Some(took)) => {
                tx.commit().await?;
                Ok(Done::Applied(took))
            }
            Ok(None) => {
                tx.rollback().await;
                Ok(Done::Skipped)
            }
            Err(failure) => {
                tx.rollback().await;
                Err(failure)
            }
        }
    }

    async fn statements(&self, tx: &Transaction, file: &Migration) -> Result<Option<Duration>, Failure> {
        if !self.is_pending(tx, file).await? {
            return Ok(None);
        }
        let began = Instant::now();
        for statement in script::statements(&file.sql) {
            tx.script(statement.sql).await.map_err(|error| Failure::at(&statement, error))?;
        }
        let took = began.elapsed();
        self.history.enter(tx, file, State::Done, took).await?;
        Ok(Some(took))
    }

    /// The same question again, under the lock.
    pub(super) async fn is_pending(&self, tx: &Transaction, file: &Migration) -> Result<bool> {
        let (history, has_tables) = self.history.look_inside(tx).await?;
        let todo = self.todo(&history, has_tables)?;
        Ok(todo.pending.iter().any(|pending| pending.version == file.version))
    }

    /// The error that whoever called `migrate` gets.
    fn told(&self, file: &Migration, failure: Failure, tried: u32, report: &Report) -> Error {
        let Failure { error, place, kept } = failure;
        let place = place.map(|(number, line)| format!(" in statement {number} (line {line})"));
        let tries = if tried > 1 { format!(" after {tried} tries") } else { String::new() };
        let kept = match kept {
            Some(count) => format!(
                "it runs outside a transaction, so its first {count} statements stay and the history says started; set right what stopped it and run it again with rerun_started(true)"
            ),
            None if error.outcome() == Outcome::Unknown => {
                "whether it committed is not known; run the migrations again, and the history will tell"
                    .to_owned()
            }
            None => "nothing of this file was kept".to_owned(),
        };
        let before = match report.applied.len() {
            0 => String::new(),
            count => format!("; {count} before it were applied and stay"),
        };
        let Some(db) = error.as_db_error() else {
            return error.and(format!("migration {}{tries}: {kept}{before}", file.file));
        };
        let sentence = format!(
            "migration {} failed{}{tries}: the server said \"{}\" ({}); {kept}{before}{}",
            file.file,
            place.unwrap_or_default(),
            db.message(),
            db.code().code(),
            advice(db.code().code(), report),
        );
        let told = Error::new(Fault::Migration, Phase::Migrate, error.outcome(), sentence);
        let code = db.code().code().to_owned();
        told.with_sqlstate(&code).caused_by(error)
    }
}

/// What helps against what the server said.
fn advice(sqlstate: &str, report: &Report) -> &'static str {
    match sqlstate {
        "42P07" | "42710" | "42723" | "42701" if report.already == 0 => {
            "; if the schema was made before there was a history, say so with baseline(version), or write IF NOT EXISTS"
        }
        "25001" => {
            "; what cannot run inside a transaction needs a file of its own that begins with \"-- plimsoll: no transaction\""
        }
        "55P03" => {
            "; another transaction holds the table: find it with pg_blocking_pids, or raise lock_timeout"
        }
        _ => "",
    }
}

/// What would stay in a session that belongs to whoever comes next.
fn left_to_strangers(file: &Migration) -> Option<String> {
    let statement = script::statements(&file.sql).into_iter().find(|statement| {
        let left = residue::of_sql(statement.sql.as_bytes(), None);
        // DO and CALL may do anything and seldom do; the connection is thrown away after them.
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
