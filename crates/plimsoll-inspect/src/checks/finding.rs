//! What a check finds, and what puts it right.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How something is. Ordered from the best to the worst; what could not be looked at comes between what is well and what is
/// not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it ought to be.
    Ok,
    /// Worth knowing.
    Info,
    /// It could not be looked at.
    Skipped,
    /// It will make trouble.
    Warn,
    /// It makes trouble, or will at the next fault.
    Crit,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Ok => "ok",
            State::Info => "info",
            State::Skipped => "skipped",
            State::Warn => "warn",
            State::Crit => "crit",
        })
    }
}

/// What puts a finding right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// SQL, to be run by somebody who may. `plimsoll apply` can run it.
    Sql {
        /// The statements in their order. Each stands by itself; one that may not run in a transaction says so by its kind
        /// (`CREATE INDEX CONCURRENTLY`, `ALTER SYSTEM`, `VACUUM`).
        run: Vec<String>,
        /// What brings back how it was; empty if nothing does (`DROP`, `VACUUM`, `pg_terminate_backend`).
        undo: Vec<String>,
        /// When it takes effect.
        effect: Effect,
    },
    /// Something outside SQL: a file, a restart, a change of a program.
    Advice {
        /// What to do.
        text: String,
    },
}

/// When the effect of a remedy shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once.
    Now,
    /// In sessions that begin after it.
    NewSessions,
    /// When the server has read its configuration again (`SELECT pg_reload_conf()`, which the statements hold).
    Reload,
    /// When the server has been restarted.
    Restart,
}

impl Remedy {
    /// SQL that shows at once and has an inverse.
    pub(crate) fn now(run: impl Into<String>, undo: impl Into<String>) -> Self {
        Remedy::Sql { run: vec![run.into()], undo: vec![undo.into()], effect: Effect::Now }
    }

    /// SQL that shows at once and that nothing brings back.
    pub(crate) fn for_good(run: impl Into<String>) -> Self {
        Remedy::Sql { run: vec![run.into()], undo: Vec::new(), effect: Effect::Now }
    }

    /// Something outside SQL.
    pub(crate) fn advice(text: impl Into<String>) -> Self {
        Remedy::Advice { text: text.into() }
    }
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What it is about: `role app`, `table public.orders`, `server`.
    pub subject: String,
    /// What was found, in a sentence without its full stop, with the numbers.
    pub value: String,
    /// Where that comes from: a setting's source, a view.
    pub source: String,
    /// What it was held against.
    pub threshold: String,
    /// What puts it right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// A finding without a remedy.
    pub(crate) fn new(state: State, subject: impl Into<String>, value: impl Into<String>) -> Self {
        Finding {
            state,
            subject: subject.into(),
            value: value.into(),
            source: String::new(),
            threshold: String::new(),
            remedy: None,
        }
    }

    /// What was not looked at, and why not.
    #[must_use]
    pub fn skipped(subject: impl Into<String>, why: impl Into<String>) -> Self {
        Finding::new(State::Skipped, subject, why)
    }

    /// Where it comes from.
    pub(crate) fn source(self, source: impl Into<String>) -> Self {
        Finding { source: source.into(), ..self }
    }

    /// What it was held against.
    pub(crate) fn threshold(self, threshold: impl Into<String>) -> Self {
        Finding { threshold: threshold.into(), ..self }
    }

    /// What puts it right.
    pub(crate) fn remedy(self, remedy: Remedy) -> Self {
        Finding { remedy: Some(remedy), ..self }
    }
}

/// How many findings of one check are shown.
const SHOWN: usize = 50;

/// The worst findings first, in their order otherwise, and at most fifty: what is left out is counted.
pub(crate) fn worst_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
    let Some(state) = findings.get(SHOWN).map(|first_hidden| first_hidden.state) else { return findings };
    let hidden = findings.len() - SHOWN;
    findings.truncate(SHOWN);
    findings.push(Finding::new(state, "more", format!("{hidden} more like these are not shown")));
    findings
}
