//! Decides what is to be done, from the program's files and the history. It is pure: it reads nothing and runs
//! nothing.
//!
//! The question is asked twice: once for all files before anything runs, so that a contradiction is found while the
//! schema is unchanged; and again under the lock before each file, because another instance may have applied it
//! meanwhile.

use super::MigrateOptions;
use super::file::Migration;

/// How far a file has come, by the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MigrationState {
    /// The file was begun, and some of its statements may have been committed.
    Started,
    /// It is applied.
    Done,
    /// It was applied before the history existed.
    Baseline,
}

/// One row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) checksum: String,
    pub(super) state: MigrationState,
    pub(super) applied_at: String,
    pub(super) applied_by: String,
}

impl Record {
    /// Whether its file is applied completely.
    pub(super) fn is_applied(&self) -> bool {
        self.state != MigrationState::Started
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Todo<'a> {
    /// The files to apply, in this order.
    pub(super) pending: Vec<&'a Migration>,
    /// The files to record without running them.
    pub(super) baseline: Vec<&'a Migration>,
    /// How many files are applied.
    pub(super) already: usize,
    /// Applied versions that this program does not know, since it is older than the schema.
    pub(super) unknown: Vec<i64>,
}

/// Compares files, ordered by version, with the history.
///
/// # Errors
/// Every contradiction, one sentence each.
pub(super) fn todo<'a>(
    files: &'a [Migration],
    history: &[Record],
    has_tables: bool,
    options: &MigrateOptions,
) -> Result<Todo<'a>, Vec<String>> {
    let mut todo = Todo::default();
    let mut problems = Vec::new();
    let newest = history.iter().filter(|record| record.is_applied()).max_by_key(|r| r.version);
    // A baseline applies only to a schema that existed before its history: on an empty one the files must run.
    let baseline = options.baseline.filter(|_| history.is_empty() && has_tables);
    for file in files {
        match history.iter().find(|record| record.version == file.version) {
            Some(record) if record.is_applied() => {
                todo.already += 1;
                problems.extend(changed(file, record));
                continue;
            }
            Some(_) => {}
            None if baseline.is_some_and(|baseline| file.version <= baseline) => {
                todo.baseline.push(file);
                continue;
            }
            None => {}
        }
        match newest {
            Some(newest) if newest.version > file.version && !options.out_of_order => {
                problems.push(late(file, newest));
            }
            _ if options.up_to.is_some_and(|last| file.version > last) => {}
            _ => todo.pending.push(file),
        }
    }
    let is_known = |record: &&Record| files.iter().any(|file| file.version == record.version);
    todo.unknown = history.iter().filter(|record| !is_known(record)).map(|record| record.version).collect();
    if problems.is_empty() { Ok(todo) } else { Err(problems) }
}

fn changed(file: &Migration, record: &Record) -> Option<String> {
    if file.is_text_of(&record.checksum) {
        return None;
    }
    let short = |checksum: &str| checksum.get(..8).unwrap_or(checksum).to_owned();
    Some(format!(
        "{} was changed after it was applied at {} by {} (checksum {} then, {} now): the schema has what it said then; restore the file and put the change into a new one",
        file.file,
        record.applied_at,
        record.applied_by,
        short(&record.checksum),
        short(&file.checksum),
    ))
}

fn late(file: &Migration, newest: &Record) -> String {
    format!(
        "{} comes too late: version {} ({}) was applied at {} already, and was written without it; give the file a number above {}, or allow it with out_of_order(true) if the order does not matter",
        file.file, newest.version, newest.name, newest.applied_at, newest.version
    )
}

/// Whether all these files are applied with their present text; a schema that is ahead of them is current too.
pub(super) fn is_current(files: &[Migration], history: &[Record]) -> bool {
    files.iter().all(|file| {
        history.iter().any(|record| {
            record.version == file.version && record.is_applied() && file.is_text_of(&record.checksum)
        })
    })
}

/// How many of these files are not applied completely.
pub(super) fn unapplied(files: &[Migration], history: &[Record]) -> usize {
    let is_applied = |file: &&Migration| history.iter().any(|r| r.version == file.version && r.is_applied());
    files.iter().filter(|file| !is_applied(file)).count()
}

/// The version of a schema with this history.
pub(super) fn version(history: &[Record]) -> Option<i64> {
    history.iter().filter(|record| record.is_applied()).map(|record| record.version).max()
}

#[cfg(test)]
mod tests;
