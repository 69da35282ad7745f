//! Migrations: numbered files of SQL that bring the schema up to date, each applied once, by one program at a time.
//!
//! ```no_run
//! # async fn example(db: plimsoll::Database) -> plimsoll::Result<()> {
//! use plimsoll::migrate::Migrations;
//!
//! // Compiled in; paths begin at the folder of this crate's Cargo.toml.
//! static MIGRATIONS: Migrations = plimsoll::migrations!("tests/migrations/001_initial_schema.sql");
//!
//! let report = db.migrate(&MIGRATIONS).await?;
//! println!("{} applied, {} were there", report.applied.len(), report.already);
//! assert!(db.schema_is_current(&MIGRATIONS).await?); // readiness
//! # Ok(()) }
//! ```
//!
//! # What it promises
//! - **Everything is checked before anything runs**: names, versions, the checksums of the applied files, the order,
//!   and statements that could not work where they stand.
//! - **A file is one transaction**, its row in the history (`plimsoll_migrations`) included: a file that fails leaves
//!   nothing, and the history tells the outcome of a COMMIT whose answer was lost. A file whose text shows that it ends
//!   its own transaction is refused. If a file ends it in another way, the server's answers show it: the error says
//!   that parts may be kept, and the history says `started`.
//! - **One program at a time**: an advisory lock inside that same transaction. Ten instances that start together apply
//!   each file once, also behind a transaction pooler, where a session's lock would belong to any client. An instance
//!   that waits for the lock polls: a waiting statement would hold a snapshot, and `CREATE INDEX CONCURRENTLY` would
//!   wait for that snapshot in turn.
//! - **It does not stop the service**: a statement waits for a lock at most [`MigrateOptions::lock_timeout`], since
//!   every statement behind it in that queue waits too; then the file is rolled back and tried again after a pause.
//! - **A file may take long**: neither the server's nor this program's limit on statements holds; a
//!   [deadline](crate::deadline) does.
//! - **Statements that cannot run in a transaction** go into a file of their own that begins with
//!   `-- plimsoll: no transaction`. They commit one by one, so the history says `started` first and `done` at the end.
//!   A file that stayed at `started` is reported, and runs again only with [`MigrateOptions::rerun_started`]. It needs
//!   two connections: the second one holds the lock.
//! - **An older program leaves a newer schema alone**, so that going back to the old image needs no work on the
//!   database.
//! - **A schema without a history is not assumed to be up to date**: its files run, so make them idempotent, or set
//!   [`MigrateOptions::baseline`].
//!
//! # Files of other tools
//! Of a pair `0001_x.up.sql` and `0001_x.down.sql` the first is the migration, and the second is ignored. A plain dump
//! of `pg_dump --inserts` is a file like any other, with its lines `\restrict` and `\unrestrict`. sqlx's
//! `-- no-transaction`, in the first line, means the same here. Line ends of any system and a byte order mark change
//! neither the statements nor the checksum. What is not supported (commands of psql, rows of a COPY, a file with both
//! directions, names as Flyway has them) is refused before anything runs, with what to do instead.
//!
//! # Why not refinery
//! It requires names like `V1__x`, takes no lock, and runs files through a client type of its own. The lock, the
//! limits, one transaction for each file and files without a transaction cannot be added from outside, and the
//! remaining use of it would be smaller than the wrapper.

mod apply;
mod failure;
mod file;
mod folder;
mod history;
mod initialise;
mod mark;
mod naming;
mod other_tools;
mod outside;
mod plan;
mod psql;
mod script;
mod sentinel;
mod status;
mod turn;

pub use file::{Migration, Migrations};
pub use initialise::Initialisation;
pub use status::{FileState, FileStatus, MigrationStatus};

use crate::call::database::Database;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::fault::Fault;
use std::time::Duration;

/// Compiles migration files into the program: `migrations!("migrations/001_initial_schema.sql", ..)`.
///
/// Paths begin at the folder of the calling crate's `Cargo.toml`. Gives a
/// [`migrate::Migrations`](crate::migrate::Migrations), in a `static` too.
#[macro_export]
macro_rules! migrations {
    ($($file:literal),+ $(,)?) => {
        $crate::migrate::Migrations::embedded(&[
            $(($file, ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $file)))),+
        ])
    };
}

/// How migrations are applied. The defaults fit a service that migrates when it starts.
#[derive(Clone, Debug)]
pub struct MigrateOptions {
    lock_timeout: Duration,
    statement_timeout: Option<Duration>,
    retries: u32,
    retry_pause: Duration,
    patience: Duration,
    out_of_order: bool,
    baseline: Option<i64>,
    rerun_started: bool,
    up_to: Option<i64>,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        MigrateOptions {
            lock_timeout: Duration::from_secs(5),
            statement_timeout: None,
            retries: 10,
            retry_pause: Duration::from_secs(1),
            patience: Duration::from_secs(600),
            out_of_order: false,
            baseline: None,
            rerun_started: false,
            up_to: None,
        }
    }
}

impl MigrateOptions {
    /// How long a statement waits for a lock on a table before its file is rolled back and tried again (5 s).
    /// `CONCURRENTLY` waits without a limit, since no other statement waits behind it.
    #[must_use]
    pub fn lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = limit;
        self
    }

    /// The server's limit on one statement (none).
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    /// How often a file is tried again after a lock timeout, a deadlock or a lost connection (10).
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The pause before the first retry, with jitter; the later ones grow to ten times as long (1 s).
    #[must_use]
    pub fn retry_pause(mut self, pause: Duration) -> Self {
        self.retry_pause = pause;
        self
    }

    /// How long to wait while another program migrates (10 min).
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether a file may be applied after one with a higher version (no).
    #[must_use]
    pub fn out_of_order(mut self, is_allowed: bool) -> Self {
        self.out_of_order = is_allowed;
        self
    }

    /// The version up to which the schema existed before its history: those files are recorded without being run. This
    /// applies only if there are tables and no history, so it may stay in the code: an empty database gets all files.
    #[must_use]
    pub fn baseline(mut self, version: i64) -> Self {
        self.baseline = Some(version);
        self
    }

    /// The last version to apply (the last one there is). What lies beyond it stays pending.
    #[must_use]
    pub fn up_to(mut self, version: i64) -> Self {
        self.up_to = Some(version);
        self
    }

    /// Whether a file that was begun and not finished is run again from its beginning (no): a file outside a
    /// transaction, or one that ended its own. Invalid indexes that it names are dropped first, since `IF NOT EXISTS`
    /// would take them for finished ones.
    #[must_use]
    pub fn rerun_started(mut self, is_allowed: bool) -> Self {
        self.rerun_started = is_allowed;
        self
    }
}

/// A file that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub file: String,
    /// How long its statements took.
    pub took: Duration,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The files that this call applied.
    pub applied: Vec<Applied>,
    /// Versions that had been applied meanwhile: by another program, or by this one in a COMMIT whose answer was lost.
    pub skipped: Vec<i64>,
    /// How many files were applied before.
    pub already: usize,
    /// Versions that were recorded without being run: see [`MigrateOptions::baseline`].
    pub baselined: Vec<i64>,
    /// Versions that are applied and that this program does not know, since it is older than the schema.
    pub unknown: Vec<i64>,
}

impl Database {
    /// Brings the schema up to date, on connections from the pool. As [`Database::migrate_with`], with the defaults.
    ///
    /// # Errors
    /// [`Fault::Migration`] names the file, the statement and its line, the server's message and the remedy. Nothing of
    /// the failed file is kept, with two exceptions: of a file outside a transaction the message says how far it came,
    /// and after a file that ended its own transaction the outcome is [`Outcome::Unknown`]. The files before it stay
    /// applied. A connection that is not available, or a deadline that passes, is the same error as everywhere.
    ///
    /// # Cancel safety
    /// If the future is dropped, the file that is being applied is stopped and rolled back; call again to go on. A file
    /// outside a transaction stays `started` in the history.
    pub async fn migrate(&self, migrations: &Migrations) -> Result<Report> {
        self.migrate_with(migrations, MigrateOptions::default()).await
    }

    /// Brings the schema up to date as the options say.
    ///
    /// # Errors
    /// As [`Database::migrate`].
    ///
    /// # Cancel safety
    /// As [`Database::migrate`].
    pub async fn migrate_with(&self, migrations: &Migrations, options: MigrateOptions) -> Result<Report> {
        let files = migrations.files().map_err(refused)?;
        let run = apply::Run::open(self, &files, &options).await?;
        let mut report = Report::default();
        let result = run.all(&mut report).await;
        if !report.applied.is_empty() {
            self.tell(Event::Migrated { applied: report.applied.len() });
        }
        if let Some(&version) = report.unknown.iter().max() {
            self.tell(Event::SchemaAhead { version, unknown: report.unknown.len() });
        }
        result.map(|()| report)
    }

    /// The highest version that is applied; none where there is no history.
    ///
    /// # Errors
    /// As any query's.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn schema_version(&self) -> Result<Option<i64>> {
        Ok(plan::version(&history::read(self).await?))
    }

    /// Whether each of these files is applied, with its present text. A schema that is ahead of them is current; if the
    /// files could not be found, it is not. For readiness: a program whose schema does not exist yet is not ready.
    ///
    /// # Errors
    /// As any query's; [`Fault::Migration`] for files that contradict themselves.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn schema_is_current(&self, migrations: &Migrations) -> Result<bool> {
        let files = migrations.files().map_err(refused)?;
        Ok(migrations.missing().is_none() && plan::is_current(&files, &history::read(self).await?))
    }
}

/// The error for problems that were found before anything ran.
fn refused(problems: Vec<String>) -> Error {
    let count = problems.len();
    let sentence = match count {
        1 => problems.concat(),
        _ => format!("{count} problems were found before anything ran: {}", problems.join("; ")),
    };
    Error::new(Fault::Migration, Phase::Migrate, Outcome::NotStarted, sentence)
}
