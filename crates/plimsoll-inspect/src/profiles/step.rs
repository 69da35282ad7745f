//! One step of a plan, and what there is instead of one.

use crate::checks::finding::Effect;
use serde::{Deserialize, Serialize};

/// Something that a plan says about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "planned", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Planned {
    /// It is to be changed.
    Step(Box<Step>),
    /// It is so already.
    Already {
        /// What: `lock_timeout, database shop`.
        what: String,
        /// How it is.
        is: String,
        /// Where that comes from.
        from: String,
        /// What a new session shows.
        reading: Reading,
    },
    /// It ought to be changed, and the role that asks may not.
    Missing {
        /// What.
        what: String,
        /// How it is.
        is: String,
        /// Where that comes from.
        from: String,
        /// How it ought to be.
        will: String,
        /// Which right is missing, in a sentence without its full stop.
        why: String,
        /// What would give that right, to be run by a role that can.
        grant: Vec<String>,
        /// The change itself, for a role that may.
        sql: Vec<String>,
    },
    /// Something outside SQL.
    Advice {
        /// What.
        what: String,
        /// How it is.
        is: String,
        /// What to do; several lines where there are lines of a file.
        text: String,
    },
}

/// One change, whole or not at all as far as PostgreSQL allows that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is changed: `lock_timeout, database shop`.
    pub what: String,
    /// Why, in a sentence without its full stop.
    pub why: String,
    /// How it is now.
    pub is: String,
    /// Where that comes from.
    pub from: String,
    /// How it will be.
    pub will: String,
    /// The statements, in their order.
    pub run: Vec<String>,
    /// What brings back how it was, in its order; empty if nothing does.
    pub undo: Vec<String>,
    /// When it takes effect.
    pub effect: Effect,
    /// How it is told that nothing has been done yet.
    pub before: Probe,
    /// How it is told that it has been done.
    pub after: Probe,
    /// What a new session shows then.
    pub reading: Reading,
    /// What somebody should know before saying yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Step {
    /// The same, told by these questions.
    pub(crate) fn told_by(self, before: &str, after: &str) -> Self {
        let (before, after) = (Probe::sql(before), Probe::sql(after));
        Step { before, reading: Reading::Probe { probe: after.clone() }, after, ..self }
    }

    /// The step that takes this one back. What nothing brings back has none.
    #[must_use]
    pub fn inverse(&self) -> Option<Step> {
        if self.undo.is_empty() {
            return None;
        }
        let reading = match &self.reading {
            Reading::Setting { name, before, value } => {
                Reading::Setting { name: name.clone(), before: Some(value.clone()), value: before.clone()? }
            }
            Reading::Probe { .. } => Reading::Probe { probe: self.before.clone() },
        };
        Some(Step {
            what: self.what.clone(),
            why: "takes back what was applied".to_owned(),
            is: self.will.clone(),
            from: "what was applied".to_owned(),
            will: match self.is == self.will {
                // It was so before too, for another reason.
                true => format!("{}, as the {} says", self.is, self.from),
                false => self.is.clone(),
            },
            run: self.undo.clone(),
            undo: self.run.clone(),
            effect: self.effect,
            before: self.after.clone(),
            after: self.before.clone(),
            reading,
            note: None,
        })
    }
}

/// How it is told what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Probe {
    /// A question with one row and one column, which is true.
    Sql {
        /// The question.
        sql: String,
    },
    /// A check of `plimsoll doctor` finds something about this, or does not any more.
    Found {
        /// The check.
        id: String,
        /// What the finding is about.
        subject: String,
        /// What it has as its remedy: several findings may be about the same.
        remedy: Vec<String>,
        /// Whether it finds it.
        is_found: bool,
    },
}

impl Probe {
    pub(crate) fn sql(sql: impl Into<String>) -> Self {
        Probe::Sql { sql: sql.into() }
    }
}

/// What is read back, on a new connection, when a step has been done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reading", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// A setting, as a new session of the application's role has it.
    Setting {
        /// Its name.
        name: String,
        /// What such a session has before the step, if that can be known.
        before: Option<String>,
        /// What it has after it.
        value: String,
    },
    /// What tells that the step was done.
    Probe {
        /// The question.
        probe: Probe,
    },
}
