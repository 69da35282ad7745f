//! The schema, brought up to date: numbered files of SQL, each applied once, by one program at a time.
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
//! - **Everything is checked before anything runs**: names, versions, the checksums of what was applied, the order, and
//!   statements that could not work where they stand.
//! - **A file is one transaction**, its line in the history (`plimsoll_migrations`) included: a file that fails leaves
//!   nothing, and a COMMIT whose answer was lost is looked up there. A file whose text shows that it ends its own
//!   transaction is refused. One that does so all the same is found out by the server's answers: it is told that parts
//!   may be kept, and the history says `started`.
//! - **One program at a time**: an advisory lock inside that same transaction. Ten instances that start together apply
//!   each file once, also behind a transaction pooler, where a session's lock would belong to nobody. Whoever waits
//!   polls: a waiting statement would hold a snapshot, for which `CREATE INDEX CONCURRENTLY` waits in turn.
//! - **It does not stop the service**: a statement waits for a lock only for [`MigrateOptions::lock_timeout`], since
//!   all that comes behind it in that queue waits too; then the file is rolled back and tried again after a pause.
//! - **It may take its time**: neither the server's nor this program's limit on statements holds; a
//!   [deadline](crate::deadline) does.
//! - **What cannot run in a transaction** has a file of its own that begins with `-- plimsoll: no transaction`. Its
//!   statements commit one by one, so the history says `started` first and `done` at the end; one that stayed at
//!   `started` is reported, and runs again only when somebody says so. It needs two connections: the lock is held by
//!   the other one.
//! - **An older program leaves a newer schema alone**, so that going back to the old image needs no work on the database.
//! - **A schema without a history is not believed to be up to date**: its files run, so let them be idempotent, or say
//!   [`MigrateOptions::baseline`].
//!
//! # Files of other tools
//! Of a pair `0001_x.up.sql` and `0001_x.down.sql` the first is the migration, and the second is left alone. A plain
//! dump of `pg_dump --inserts` is a file like any other, with its lines `\restrict` and `\unrestrict`. What sqlx calls
//! `-- no-transaction`, in the first line, means the same here. Line ends of any system and a byte order mark change
//! nothing, nor the checksum. What cannot be done (commands of psql, rows of a COPY, both ways in one file, names of
//! Flyway's) is refused before anything runs, with what to do instead.
//!
//! # Why not refinery
//! It wants names like `V1__x`, takes no lock, and runs files through a client of its own kind. The lock, our limits,
//! one transaction a file and files that need none cannot be put around it from outside; what is left is less than the
//! wrapping would be.

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
mod turn;

pub use file::{Migration, Migrations};
pub use initialise::Initialisation;

use crate::call::database::Database;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::fault::Fault;
use std::time::Duration;

/// Compiles migration files into the program: `migrations!("migrations/001_initial_schema.sql", ..)`.
///
/// Paths begin at the folder of the calling crate's `Cargo.toml`. Gives a [`migrate::Migrations`](crate::migrate::Migrations),
/// in a `static` too.
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
        }
    }
}

impl MigrateOptions {
    /// How long a statement waits for a lock on a table before its file is rolled back and tried again (5 s).
    /// `CONCURRENTLY`, which holds nobody up, waits without a limit.
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

    /// How often a file is tried again after a lock that was not to be had, a deadlock or a lost connection (10).
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

    /// Whether a file may come that is older than what was applied (no).
    #[must_use]
    pub fn out_of_order(mut self, is_allowed: bool) -> Self {
        self.out_of_order = is_allowed;
        self
    }

    /// Up to this version the schema was made before there was a history: those files are entered without being run.
    /// Holds only where there are tables and no history, so it may stay in the code: an empty database gets all files.
    #[must_use]
    pub fn baseline(mut self, version: i64) -> Self {
        self.baseline = Some(version);
        self
    }

    /// Whether a file that was begun and not finished is run again, from its beginning (no): one outside a transaction,
    /// or one that ended its own.
    /// Invalid indexes that it names are dropped first: `IF NOT EXISTS` would take them for finished ones.
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
    /// Versions that were found applied when it was their turn: by another program, or by this one in a COMMIT whose
    /// answer was lost.
    pub skipped: Vec<i64>,
    /// How many files were applied before.
    pub already: usize,
    /// Versions that were entered as there already: see [`MigrateOptions::baseline`].
    pub baselined: Vec<i64>,
    /// Versions that are applied and that this program does not know, since it is older than the schema.
    pub unknown: Vec<i64>,
}

impl Database {
    /// Brings the schema up to date, on connections from the pool. As [`Database::migrate_with`], with the defaults.
    ///
    /// # Errors
    /// [`Fault::Migration`] says which file, which statement and line, what the server said and what to do. Nothing of
    /// the failed file is kept (unless it runs outside a transaction, and the message says how far it came, or it ended
    /// its own, and the outcome is [`Outcome::Unknown`]); files before it are. Connections that cannot be had, and deadlines, fail as everywhere.
    ///
    /// # Cancel safety
    /// Dropped, the file that is being applied is stopped and rolled back; run it again to go on. Of a file outside a
    /// transaction the history says `started`.
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

    /// Whether every one of these files is applied, as it is now. A schema that is ahead of them is current; files that
    /// could not be found are not. For readiness: a program whose schema is not there yet is not ready.
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

/// Nothing was run, for these reasons.
fn refused(problems: Vec<String>) -> Error {
    let count = problems.len();
    let sentence = match count {
        1 => problems.concat(),
        _ => format!("{count} problems were found before anything ran: {}", problems.join("; ")),
    };
    Error::new(Fault::Migration, Phase::Migrate, Outcome::NotStarted, sentence)
}
