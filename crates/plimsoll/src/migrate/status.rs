//! How far each file has come, without applying any.

use super::file::{Migration, Migrations};
use super::history;
use super::plan::{self, MigrationState, Record};
use super::{MigrateOptions, refused};
use crate::call::database::Database;
use crate::error::Result;
use serde::Serialize;

/// How far the files and the schema have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The files in the order of their versions, and the versions that are applied and have no file here.
    pub files: Vec<FileStatus>,
    /// What [`Database::migrate_with`] would refuse, one sentence for each problem.
    pub problems: Vec<String>,
}

/// How far one file has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileStatus {
    /// Its version.
    pub version: i64,
    /// Its name; what the history calls it if there is no such file here.
    pub file: String,
    /// How far it is.
    pub state: FileState,
    /// When it was applied or begun, in UTC.
    pub at: Option<String>,
    /// By which program.
    pub by: Option<String>,
    /// Its statements run outside a transaction, so that a failure may leave parts of it.
    pub outside_transaction: bool,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileState {
    /// It would be applied now.
    Pending,
    /// It is applied.
    Applied,
    /// It is taken to have been applied before there was a history.
    Baseline,
    /// It was begun and not finished: parts of it may be there.
    Started,
    /// It is applied, and its text has changed since.
    Changed,
    /// It is applied, and there is no such file here: the schema is ahead of these files.
    Unknown,
}

impl Database {
    /// How far each of these files has come, and what applying them would meet. It applies nothing and takes no lock.
    ///
    /// # Errors
    /// As any query's; [`Fault::Migration`](crate::Fault::Migration) for files that contradict themselves.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn migration_status(
        &self,
        migrations: &Migrations,
        options: &MigrateOptions,
    ) -> Result<MigrationStatus> {
        let files = migrations.files().map_err(refused)?;
        let (history, has_tables) = history::look(self).await?;
        let problems = plan::todo(&files, &history, has_tables, options).err().unwrap_or_default();
        Ok(MigrationStatus { files: statuses(&files, &history), problems })
    }
}

fn statuses(files: &[Migration], history: &[Record]) -> Vec<FileStatus> {
    let of_file = |file: &Migration| {
        let record = history.iter().find(|record| record.version == file.version);
        let state = record.map_or(FileState::Pending, |record| state(record, file));
        FileStatus {
            version: file.version,
            file: file.file.clone(),
            state,
            at: record.map(|record| record.applied_at.clone()),
            by: record.map(|record| record.applied_by.clone()),
            outside_transaction: file.outside_transaction,
        }
    };
    let is_known = |record: &&Record| files.iter().any(|file| file.version == record.version);
    let without_file = history.iter().filter(|record| !is_known(record)).map(|record| FileStatus {
        version: record.version,
        file: record.name.clone(),
        state: FileState::Unknown,
        at: Some(record.applied_at.clone()),
        by: Some(record.applied_by.clone()),
        outside_transaction: false,
    });
    let mut all: Vec<FileStatus> = files.iter().map(of_file).chain(without_file).collect();
    all.sort_by_key(|status| status.version);
    all
}

fn state(record: &Record, file: &Migration) -> FileState {
    match record.state {
        MigrationState::Started => FileState::Started,
        _ if !file.is_text_of(&record.checksum) => FileState::Changed,
        MigrationState::Done => FileState::Applied,
        MigrationState::Baseline => FileState::Baseline,
    }
}
