//! Creates the schema on a fresh deployment, and leaves any other schema untouched.
//!
//! One table, the sentinel, decides. If it exists, there is a schema already, and nothing is done: not even a history
//! is created. If it does not exist, the migrations run as always: under the lock, each in a transaction. A failure is
//! logged and returned, and the program goes on, so that an operator can act; readiness should stay false until
//! [`Database::schema_is_current`] or the sentinel is true.
//!
//! Since each file commits by itself, the sentinel exists before the last file has run, and stays if that one fails.
//! So if there is a history as well, it must say that every file is applied. If it does not, another program is
//! applying them, or has given up: then the migrations run, which waits for the former and completes the work of the
//! latter.

use super::file::Migrations;
use super::history::Readable;
use super::sentinel::Sentinel;
use super::{MigrateOptions, Report, history, plan, refused};
use crate::call::database::Database;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use std::path::PathBuf;

/// What became of [`Database::auto_initialize`].
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a schema that could not be made is told only here and in the log"]
pub enum Initialisation {
    /// The sentinel exists, and the history does not exist or is complete: nothing was done. This is also the answer
    /// for a role that may not read the history of another role; the log then says so.
    AlreadyThere,
    /// The schema was created, or completed.
    Initialised(Report),
    /// Neither the sentinel nor the files exist.
    FilesMissing(PathBuf),
    /// The schema could not be created; the program may go on, but its queries will fail.
    Failed(Error),
}

impl Initialisation {
    /// Whether the schema exists now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Initialisation::AlreadyThere | Initialisation::Initialised(_))
    }
}

impl Database {
    /// Creates the schema if the table `sentinel` does not exist, and completes one that [`Database::migrate`] or an
    /// earlier call has begun.
    ///
    /// The sentinel is a name as in SQL: `exploits`, which is looked up in the schemas of the search path, or
    /// `app.exploits`, or `"App"."Exploits"`. It is found even if the role has no rights on it.
    ///
    /// Never fails: an error is logged as `Schema initialization failed: ..` and returned, so that the start-up of the
    /// program can go on.
    ///
    /// # Cancel safety
    /// As [`Database::migrate`].
    pub async fn auto_initialize(&self, migrations: &Migrations, sentinel: &str) -> Initialisation {
        match self.initialize(migrations, sentinel).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(target: "plimsoll", "Schema initialization failed: {error}");
                Initialisation::Failed(error)
            }
        }
    }

    async fn initialize(&self, migrations: &Migrations, sentinel: &str) -> Result<Initialisation> {
        let sentinel = Sentinel::read(sentinel)?;
        if sentinel.look(self).await?.exists {
            return self.finish(migrations).await;
        }
        if let Some(path) = migrations.missing() {
            tracing::warn!(target: "plimsoll", "Schema file not found: {}", path.display());
            return Ok(Initialisation::FilesMissing(path.to_owned()));
        }
        let files = migrations.files().map_err(refused)?;
        let first = files.first().map_or("no file", |first| first.file.as_str());
        tracing::info!(target: "plimsoll", "Initializing database schema from {first}");
        let report = self.migrate_with(migrations, MigrateOptions::default()).await?;
        let found = sentinel.look(self).await?;
        if !found.exists {
            return Err(Error::new(
                Fault::Migration,
                Phase::Migrate,
                Outcome::Committed,
                format!(
                    "all {} migrations are applied, and table {} still does not exist; correct the sentinel's name, or restore the table",
                    files.len(),
                    found.shown
                ),
            ));
        }
        tracing::info!(target: "plimsoll", "Database schema initialized successfully");
        Ok(Initialisation::Initialised(report))
    }

    /// Completes the schema, if the sentinel exists and the history is not complete.
    async fn finish(&self, migrations: &Migrations) -> Result<Initialisation> {
        let history = match migrations.missing() {
            Some(_) => Vec::new(),
            None => match history::readable(self).await? {
                Readable::Yes(history) => history,
                Readable::No(why) => {
                    tracing::warn!(target: "plimsoll", "Database schema already initialized, as far as this role may see: {why}");
                    return Ok(Initialisation::AlreadyThere);
                }
            },
        };
        let files = if history.is_empty() { Vec::new() } else { migrations.files().map_err(refused)? };
        let unapplied = plan::unapplied(&files, &history);
        if unapplied == 0 {
            tracing::debug!(target: "plimsoll", "Database schema already initialized");
            return Ok(Initialisation::AlreadyThere);
        }
        tracing::info!(
            target: "plimsoll",
            "Database schema is not complete: {unapplied} of {} files are not applied yet", files.len()
        );
        let report = self.migrate_with(migrations, MigrateOptions::default()).await?;
        tracing::info!(target: "plimsoll", "Database schema initialized successfully");
        Ok(Initialisation::Initialised(report))
    }
}
