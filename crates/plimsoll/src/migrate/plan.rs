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
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn file(version: i64) -> Migration {
        Migration {
            version,
            name: "n".into(),
            file: format!("{version:03}_n.sql"),
            sql: Cow::Borrowed(""),
            checksum: format!("checksum {version}"),
            outside_transaction: false,
        }
    }

    fn record(version: i64, state: MigrationState) -> Record {
        Record {
            version,
            name: "n".into(),
            checksum: format!("checksum {version}"),
            state,
            applied_at: "2026-01-01 10:00:00 UTC".into(),
            applied_by: "shop".into(),
        }
    }

    fn files(versions: &[i64]) -> Vec<Migration> {
        versions.iter().copied().map(file).collect()
    }

    fn done(versions: &[i64]) -> Vec<Record> {
        versions.iter().map(|&version| record(version, MigrationState::Done)).collect()
    }

    fn pending(todo: &Todo<'_>) -> Vec<i64> {
        todo.pending.iter().map(|file| file.version).collect()
    }

    #[test]
    fn what_is_not_applied_is_pending_and_gaps_are_fine() {
        let (files, options) = (files(&[1, 3, 7]), MigrateOptions::default());
        let some = todo(&files, &done(&[1]), true, &options).unwrap();
        assert_eq!((pending(&some), some.already), (vec![3, 7], 1));
        assert!(pending(&todo(&files, &done(&[1, 3, 7]), true, &options).unwrap()).is_empty());
    }

    #[test]
    fn a_late_file_is_refused_unless_allowed() {
        let files = files(&[1, 2, 3]);
        let problems = todo(&files, &done(&[1, 3]), true, &MigrateOptions::default()).unwrap_err();
        assert!(problems[0].contains("002_n.sql") && problems[0].contains("version 3"), "{problems:?}");
        let allowed = MigrateOptions::default().out_of_order(true);
        assert_eq!(pending(&todo(&files, &done(&[1, 3]), true, &allowed).unwrap()), [2]);
    }

    #[test]
    fn a_changed_file_is_refused_with_when_and_what_to_do() {
        let mut files = files(&[1]);
        files[0].checksum = "another".into();
        let problems = todo(&files, &done(&[1]), true, &MigrateOptions::default()).unwrap_err();
        for part in ["001_n.sql", "2026-01-01 10:00:00 UTC", "shop", "a new one"] {
            assert!(problems[0].contains(part), "{problems:?}");
        }
        assert!(!is_current(&files, &done(&[1])));
    }

    #[test]
    fn an_older_program_leaves_a_newer_schema_alone() {
        let files = files(&[1]);
        let todo = todo(&files, &done(&[1, 2]), true, &MigrateOptions::default()).unwrap();
        assert_eq!((todo.unknown, todo.pending.len()), (vec![2], 0));
        assert!(is_current(&files, &done(&[1, 2])));
    }

    #[test]
    fn a_baseline_holds_only_where_there_are_tables_and_no_history() {
        let (files, options) = (files(&[1, 2, 3]), MigrateOptions::default().baseline(2));
        let old = todo(&files, &[], true, &options).unwrap();
        assert_eq!((old.baseline.len(), pending(&old)), (2, vec![3]));
        let fresh = todo(&files, &[], false, &options).unwrap();
        assert_eq!((fresh.baseline.len(), pending(&fresh)), (0, vec![1, 2, 3]));
        assert!(todo(&files, &done(&[1]), true, &options).unwrap().baseline.is_empty());
    }

    #[test]
    fn a_file_that_was_begun_is_pending_even_if_it_was_changed() {
        let (mut files, history) =
            (files(&[1, 2]), vec![record(1, MigrationState::Done), record(2, MigrationState::Started)]);
        files[1].checksum = "corrected".into();
        assert_eq!(pending(&todo(&files, &history, true, &MigrateOptions::default()).unwrap()), [2]);
        assert!(!is_current(&files, &history));
        assert_eq!(version(&history), Some(1));
    }

    proptest::proptest! {
        /// Applying what is pending, in order, always ends in a schema that is current and leaves nothing to do.
        #[test]
        fn doing_what_is_to_be_done_is_enough(
            versions in proptest::collection::btree_set(0i64..50, 0..10), applied in 0usize..10
        ) {
            let versions: Vec<i64> = versions.into_iter().collect();
            let files = files(&versions);
            let mut history = done(&versions[..applied.min(versions.len())]);
            let plan = todo(&files, &history, true, &MigrateOptions::default()).unwrap();
            proptest::prop_assert_eq!(plan.already + plan.pending.len(), files.len());
            history.extend(done(&pending(&plan)));
            proptest::prop_assert!(is_current(&files, &history));
            proptest::prop_assert!(todo(&files, &history, true, &MigrateOptions::default()).unwrap().pending.is_empty());
        }
    }
}
