//! The failure of a file, and its error: where it failed, what the server said, what stays of the file, and what to
//! do.

use super::Report;
use super::file::Migration;
use super::script::Statement;
use crate::call::transaction::Transaction;
use crate::error::{Error, Outcome, Phase};
use crate::fault::Fault;
use crate::said::message;
use tokio_postgres::error::ErrorPosition;

/// The error, the statement that failed, and what stays of the file.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) place: Option<FailedAt>,
    pub(super) kept: WhatRemains,
}

/// The statement that failed.
pub(super) struct FailedAt {
    statement: usize,
    line: usize,
    /// Whether it leaves nothing if it fails outside a transaction.
    is_atomic: bool,
    /// The text at the position that the server's error names.
    text: String,
}

/// What stays of a file that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhatRemains {
    /// Nothing of it was run this time.
    Untouched,
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// Nothing, as far as the answers before showed; the server could not be asked.
    NothingSeen,
    /// This many of its first statements, since it runs outside a transaction.
    First(usize),
    /// It ended its own transaction, so the statements before that may stay; and whether the history says `started`.
    Parts { is_noted: bool },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, place: None, kept: WhatRemains::Nothing }
    }
}

/// Whether a retry may succeed and is safe: nothing of the file stays, or the history will tell.
pub(super) fn may_pass(error: &Error) -> bool {
    let is_lost_commit = error.phase() == Phase::Commit && error.outcome() == Outcome::Unknown;
    let is_elsewhere = matches!(error.phase(), Phase::Acquire | Phase::Connect | Phase::Migrate);
    !is_elsewhere && (error.may_run_again() || is_lost_commit)
}

impl Failure {
    /// A failure before any statement of the file ran.
    pub(super) fn untouched(error: Error) -> Self {
        Failure { kept: WhatRemains::Untouched, ..error.into() }
    }

    /// A failure in this statement.
    pub(super) fn at(statement: &Statement<'_>, error: Error) -> Self {
        let position = match error.as_db_error().and_then(|db| db.position()) {
            Some(ErrorPosition::Original(at)) => Some(*at),
            _ => None,
        };
        let place = FailedAt {
            statement: statement.number,
            line: position.map_or(statement.line, |at| statement.line_at(at)),
            is_atomic: statement.is_atomic(),
            text: position.map(|at| statement.text_at(at)).unwrap_or_default(),
        };
        Failure { place: Some(place), ..error.into() }
    }

    /// The failure that this statement, or an unknown one, ended the transaction.
    pub(super) fn ended(tx: &Transaction, statement: Option<&Statement<'_>>) -> Self {
        let which = match statement {
            Some(statement) => format!("statement {} (line {})", statement.number, statement.line),
            None => "a statement".to_owned(),
        };
        let (_, tag) = tx.last_answer();
        let answer = if tag.is_empty() { tag } else { format!("; the server's last answer was {tag}") };
        let sentence = format!("{which} ended the transaction that was opened for the file{answer}");
        let error = Error::new(Fault::Migration, Phase::Migrate, Outcome::Unknown, sentence);
        Failure { kept: WhatRemains::Parts { is_noted: false }, ..error.into() }
    }

    /// Whether the file may be tried again from its beginning.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self.kept, WhatRemains::First(_) | WhatRemains::Parts { .. }) && may_pass(&self.error)
    }

    /// The error that `migrate` returns.
    pub(super) fn into_error(self, file: &Migration, tried: u32, report: &Report) -> Error {
        let kept = self.what_stays();
        let outcome = self.outcome();
        let Failure { error, place, kept: what } = self;
        let tries = if tried > 1 { format!(" after {tried} tries") } else { String::new() };
        let before = match report.applied.len() {
            0 => String::new(),
            count => format!("; {count} before it were applied and stay"),
        };
        let at = place.as_ref().map_or_else(String::new, |place| {
            format!(" in statement {} (line {})", place.statement, place.line)
        });
        let Some(db) = error.as_db_error() else {
            let error = error
                .and(format!("migration {}{at}{tries}: {kept}{before}", file.file))
                .with_outcome(outcome);
            return match what {
                WhatRemains::Parts { .. } => error.with_fault(Fault::Migration),
                _ => error,
            };
        };
        let code = db.code().code().to_owned();
        let sentence = format!(
            "migration {} failed{at}{tries}: the server said \"{}\" ({code}); {kept}{before}{}",
            file.file,
            message(db),
            advice(&code, place.as_ref(), report),
        );
        let told = Error::new(Fault::Migration, Phase::Migrate, outcome, sentence);
        told.with_sqlstate(&code).caused_by(error)
    }

    /// Whether a part of the statement that failed may stay.
    fn leaves_a_part(&self) -> bool {
        self.place.as_ref().is_some_and(|place| !place.is_atomic)
    }

    /// What became of the file.
    fn outcome(&self) -> Outcome {
        match self.kept {
            WhatRemains::Parts { .. } => Outcome::Unknown,
            WhatRemains::First(_) if self.error.outcome() == Outcome::Committed => Outcome::Committed,
            WhatRemains::First(count) if count > 0 || self.leaves_a_part() => Outcome::Unknown,
            _ => self.error.outcome(),
        }
    }

    fn what_stays(&self) -> String {
        match self.kept {
            WhatRemains::First(count) if self.leaves_a_part() => format!(
                "it runs outside a transaction, so its first {count} statements stay, and what the failed one had committed by itself, and the history says started; set right what stopped it and run it again with rerun_started(true)"
            ),
            WhatRemains::First(count) => format!(
                "it runs outside a transaction, so its first {count} statements stay and the history says started; set right what stopped it and run it again with rerun_started(true)"
            ),
            WhatRemains::Parts { is_noted } => format!(
                "the transaction that was opened for the file was ended by a statement of its own, so parts of the file may be kept, and the history {}; look at what is there, take out what ends the transaction, or put what has to commit by itself into a file that begins with \"-- plimsoll: no transaction\", and run it again with rerun_started(true)",
                if is_noted { "says started" } else { "says nothing of it" }
            ),
            WhatRemains::Untouched => "nothing of this file was run now".to_owned(),
            WhatRemains::Nothing | WhatRemains::NothingSeen if self.error.outcome() == Outcome::Unknown => {
                "whether it committed is not known; run the migrations again, and the history will tell"
                    .to_owned()
            }
            WhatRemains::Nothing => "nothing of this file was kept".to_owned(),
            WhatRemains::NothingSeen => {
                "as far as the server's answers showed, nothing of this file was kept".to_owned()
            }
        }
    }
}

/// The remedy for an error of the server.
fn advice(sqlstate: &str, place: Option<&FailedAt>, report: &Report) -> &'static str {
    let text = place.map_or("", |place| place.text.as_str());
    match (sqlstate, text.chars().next()) {
        ("42P07" | "42710" | "42723" | "42701", _) if report.already == 0 => {
            "; if the schema was made before there was a history, say so with baseline(version), or write IF NOT EXISTS"
        }
        ("25001", _) => {
            "; what cannot run inside a transaction needs a file of its own that begins with \"-- plimsoll: no transaction\""
        }
        ("2D000", _) => {
            "; a procedure or a DO block that commits needs a file of its own that begins with \"-- plimsoll: no transaction\""
        }
        ("55P03", _) => {
            "; another transaction holds the table: find it with pg_blocking_pids, or raise lock_timeout"
        }
        ("42601", Some('\\')) => {
            "; what begins with a backslash is a command of psql, which the server does not know: end the statement with a semicolon and take the command out"
        }
        ("42601", Some('$')) if text.starts_with("${") => {
            "; a placeholder of another tool (${name}) means nothing to the server: write its value in its place"
        }
        ("42601", Some(':')) => {
            "; a variable of psql (:name) means nothing to the server: write its value in its place"
        }
        ("42601" | "42703" | "42704" | "42883" | "42P01", Some(_)) if text.chars().any(is_invisible) => {
            "; there stands a character that is not seen (a byte order mark, a no-break space or the like), as copied text has them: take it out"
        }
        ("42601" | "42703" | "42883" | "42P01", Some('\u{2018}'..='\u{201f}')) => {
            "; there stands a typographic quotation mark, as word processors write them: SQL wants ' and \""
        }
        ("42704", None) => {
            "; if the file is a dump of a newer version, take out the SET of what this server does not have"
        }
        ("42501", None) => {
            "; if the file says SET ROLE or SET SESSION AUTHORIZATION, let it end with RESET ROLE or RESET SESSION AUTHORIZATION, since the history is written after it"
        }
        _ => "",
    }
}

/// Whether an editor shows nothing, or a blank, for a character that PostgreSQL reads as part of a word.
fn is_invisible(c: char) -> bool {
    let is_blank =
        c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}');
    c.is_control() || (!c.is_ascii() && is_blank)
}
