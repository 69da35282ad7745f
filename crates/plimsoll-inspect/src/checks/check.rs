//! What a check consists of.

use super::finding::Finding;
use super::subject::Subject;
use crate::answer::{Row, Unreadable, rows};
use std::collections::BTreeMap;
use tokio_postgres::SimpleQueryMessage;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server, in a transaction that only reads. The questions see the application's role as
    /// `current_setting('plimsoll.role')`.
    Server,
    /// The console of a PgBouncer.
    Pooler,
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// A letter for its group and a number, for instance `G01`. It never changes its meaning.
    pub id: &'static str,
    /// What is right, in a sentence without its full stop.
    pub title: &'static str,
    /// Why it matters, in a sentence.
    pub why: &'static str,
    /// Who is asked.
    pub place: Place,
    /// What it asks: one text a question. The rows of all answers come to [`Check::read`] together.
    pub ask: &'static [&'static str],
    /// What it asks beside that where it is understood: a refusal is no answer, and the check is made without it.
    pub ask_if_known: &'static [&'static str],
    /// The oldest major version of PostgreSQL that it can be asked of.
    pub since: u32,
    /// A role without `pg_monitor` sees too little to answer.
    pub needs_monitor: bool,
    /// A standby cannot answer for its primary.
    pub needs_primary: bool,
    /// It is about the application's role, which has to exist.
    pub needs_role: bool,
    /// The numbers that it judges by.
    pub thresholds: &'static [Threshold],
    /// Reads the answer and judges it. Nothing found means that all is well.
    pub read: fn(&Answers<'_>, &Subject, &Thresholds) -> Result<Vec<Finding>, Unreadable>,
}

impl Check {
    /// What most checks are, for the rest of a constant.
    pub(crate) const USUAL: Check = Check {
        id: "",
        title: "",
        why: "",
        place: Place::Server,
        ask: &[],
        ask_if_known: &[],
        since: 14,
        needs_monitor: false,
        needs_primary: false,
        needs_role: false,
        thresholds: &[],
        read: |_, _, _| Ok(Vec::new()),
    };
}

/// The answers to a check's questions.
#[derive(Debug)]
pub struct Answers<'a>(pub(crate) Vec<&'a [SimpleQueryMessage]>);

impl Answers<'_> {
    /// The rows of all answers. Those of several questions differ by their columns.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.0.iter().flat_map(|answer| rows(answer))
    }
}

/// A number that a check judges by.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    /// Its name, unlike any other's: `used_connections_warn`.
    pub name: &'static str,
    /// What it is unless told otherwise.
    pub default: f64,
    /// The unit, as it is written after the number: `%`, `s`, `xids`, or nothing.
    pub unit: &'static str,
    /// What happens beyond it.
    pub meaning: &'static str,
}

/// The numbers to judge by: the defaults, and what was said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Thresholds(BTreeMap<&'static str, f64>);

impl Thresholds {
    /// Says otherwise. It tells whether there is such a threshold.
    #[must_use]
    pub fn set(&mut self, name: &str, value: f64) -> bool {
        let known = super::all().flat_map(|check| check.thresholds).find(|known| known.name == name);
        known.is_some_and(|known| {
            self.0.insert(known.name, value);
            true
        })
    }

    /// The number to judge by.
    #[must_use]
    pub fn get(&self, threshold: &Threshold) -> f64 {
        self.0.get(threshold.name).copied().unwrap_or(threshold.default)
    }
}
