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

#[test]
fn what_lies_beyond_the_last_version_stays_pending() {
    let files = files(&[1, 2, 3]);
    let some = todo(&files, &done(&[1]), true, &MigrateOptions::default().up_to(2)).unwrap();
    assert_eq!(pending(&some), [2]);
    assert!(
        pending(&todo(&files, &done(&[1, 2]), true, &MigrateOptions::default().up_to(1)).unwrap()).is_empty()
    );
}
