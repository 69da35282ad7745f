//! All findings, as they are shown, compared and written.

use super::check::Check;
use super::finding::{Finding, State};
use super::subject::Subject;
use serde::{Deserialize, Serialize};

/// The version of the form in which a report is written. It grows when a reader of the old form could misread the new one.
pub const SCHEMA_VERSION: u32 = 1;

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// What is right.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// What was found: one at least.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// What came of a check.
    #[must_use]
    pub fn new(check: &Check, findings: Vec<Finding>) -> Self {
        Checked {
            id: check.id.to_owned(),
            title: check.title.to_owned(),
            why: check.why.to_owned(),
            findings,
        }
    }

    /// The worst of its findings.
    #[must_use]
    pub fn state(&self) -> State {
        self.findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
    }
}

/// What came of all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form.
    pub schema_version: u32,
    /// What it is about.
    pub subject: Subject,
    /// The pooler that the questions went through, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// Why the rest of the checks was not asked, if there was a rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
    /// What came of each check, the worst first.
    pub checks: Vec<Checked>,
}

impl Report {
    /// A report of these, the worst first.
    #[must_use]
    pub fn new(subject: Subject, mut checks: Vec<Checked>) -> Self {
        checks.sort_by_key(|checked| std::cmp::Reverse(checked.state()));
        Report { schema_version: SCHEMA_VERSION, subject, through: None, cut_short: None, checks }
    }

    /// The same report of a run that went through a pooler.
    #[must_use]
    pub fn through(self, pooler: Option<String>) -> Self {
        Report { through: pooler, ..self }
    }

    /// The same report of a run that did not come to its end.
    #[must_use]
    pub fn cut_short(self, why: Option<String>) -> Self {
        Report { cut_short: why, ..self }
    }

    /// The worst of all findings.
    #[must_use]
    pub fn state(&self) -> State {
        self.checks.iter().map(Checked::state).max().unwrap_or(State::Ok)
    }

    /// How many findings are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.checks
            .iter()
            .flat_map(|checked| &checked.findings)
            .filter(|finding| finding.state == state)
            .count()
    }

    /// Only what is worse than it was in an earlier report, or was not there. What was skipped is kept: it cannot be compared.
    #[must_use]
    pub fn since(self, earlier: &Report) -> Report {
        let was = |id: &str, subject: &str| {
            let check = earlier.checks.iter().find(|checked| checked.id == id)?;
            check
                .findings
                .iter()
                .filter(|finding| finding.subject == subject)
                .map(|finding| finding.state)
                .max()
        };
        let worse = |mut checked: Checked| {
            checked.findings.retain(|finding| {
                finding.state == State::Skipped
                    || finding.state > was(&checked.id, &finding.subject).unwrap_or(State::Ok)
            });
            (!checked.findings.is_empty()).then_some(checked)
        };
        let checks = self.checks.into_iter().filter_map(worse).collect();
        Report { checks, ..self }
    }
}
