//! How far the files have come, as text.

use crate::show::rows;
use plimsoll::migrate::{FileState, Migration, MigrationStatus, Report};
use plimsoll_inspect::span::rough;
use serde::Serialize;
use std::fmt::Write;

/// The same for programs.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    schema_version: u32,
    #[serde(flatten)]
    status: &'a MigrationStatus,
}

impl<'a> Status<'a> {
    pub(super) fn of(status: &'a MigrationStatus) -> Self {
        Status { schema_version: 1, status }
    }

    /// A line for each file.
    pub(super) fn plain(&self) -> String {
        rows(self, &[("/files", &["version", "state", "file", "at", "by"])])
    }
}

fn word(state: FileState) -> &'static str {
    match state {
        FileState::Pending => "pending",
        FileState::Applied => "applied",
        FileState::Baseline => "baseline",
        FileState::Started => "started",
        FileState::Changed => "changed",
        FileState::Unknown => "no file",
        _ => "other",
    }
}

fn meaning(state: FileState) -> &'static str {
    match state {
        FileState::Started => {
            "begun and not finished: parts of it may be there; --rerun-started runs it again"
        }
        FileState::Changed => "its text has changed since: restore it, and put the change into a new file",
        FileState::Unknown => "applied, and not in this folder: the schema is ahead of these files",
        FileState::Baseline => "taken to have been there before the history",
        _ => "",
    }
}

pub(super) fn status(status: &MigrationStatus) -> String {
    let mut text = String::new();
    for file in &status.files {
        let _ = write!(text, "{:8} {}", word(file.state), file.file);
        if let (Some(at), Some(by)) = (&file.at, &file.by) {
            let _ = write!(text, "  {at} by {by}");
        }
        text.push('\n');
        if !meaning(file.state).is_empty() {
            let _ = writeln!(text, "         {}", meaning(file.state));
        }
    }
    for problem in &status.problems {
        let _ = writeln!(text, "refused: {}", in_options(problem));
    }
    let pending = status.files.iter().filter(|file| file.state == FileState::Pending).count();
    let _ = match (status.files.len(), pending) {
        (0, _) => writeln!(text, "There are no files and no history."),
        (_, 0) if status.problems.is_empty() => writeln!(text, "Nothing is pending."),
        (_, count) => writeln!(text, "{count} pending."),
    };
    text
}

pub(super) fn plan(status: &MigrationStatus, texts: &[Migration]) -> String {
    let mut text = String::new();
    for file in status.files.iter().filter(|file| file.state == FileState::Pending) {
        let how = if file.outside_transaction {
            "outside a transaction: its statements commit one by one"
        } else {
            "one transaction"
        };
        let _ = writeln!(text, "-- {} ({how})", file.file);
        let sql = texts.iter().find(|it| it.version == file.version).map_or("", |it| it.sql.as_ref());
        let _ = writeln!(text, "{}\n", sql.trim_end());
    }
    for problem in &status.problems {
        let _ = writeln!(text, "-- refused: {}", in_options(problem));
    }
    if text.is_empty() {
        text.push_str("-- Nothing is pending.\n");
    }
    text
}

pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    for version in &report.baselined {
        let _ = writeln!(text, "version {version}: recorded, not run");
    }
    for applied in &report.applied {
        let _ = writeln!(text, "applied {} in {}", applied.file, rough(applied.took));
    }
    for version in &report.skipped {
        let _ = writeln!(text, "version {version}: applied by another program meanwhile");
    }
    text
}

/// The library's words, with the options of this command in the place of its functions: `baseline(2)` is `--baseline 2`.
pub(super) fn in_options(text: &str) -> String {
    let text = text
        .replace("rerun_started(true)", "--rerun-started")
        .replace("raise lock_timeout", "raise --lock-timeout")
        .replace("baseline(version)", "--baseline VERSION");
    let mut parts = text.split("baseline(");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')').filter(|(version, _)| version.chars().all(|c| c.is_ascii_digit())) {
            Some((version, rest)) => {
                let _ = write!(told, "--baseline {version}{rest}");
            }
            None => {
                let _ = write!(told, "baseline({part}");
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::in_options;

    #[test]
    fn what_to_do_is_told_in_options() {
        for (text, told) in [
            ("run it again with rerun_started(true)", "run it again with --rerun-started"),
            ("say so with baseline(version), or write", "say so with --baseline VERSION, or write"),
            ("say baseline(2); or baseline(17)", "say --baseline 2; or --baseline 17"),
            ("a baseline(x) of theirs", "a baseline(x) of theirs"),
        ] {
            assert_eq!(in_options(text), told);
        }
    }
}
