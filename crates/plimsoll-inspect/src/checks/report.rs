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

    /// Only what is worse than it was in an earlier report, or was not there. What could not be
    /// looked at is kept where it could be looked at then, and what could not be looked at then is kept: it cannot be compared.
    #[must_use]
    pub fn since(self, earlier: &Report) -> Report {
        let was = |id: &str, subject: &str| {
            let check = earlier.checks.iter().find(|checked| checked.id == id)?;
            check
                .findings
                .iter()
                .filter(|finding| finding.subject == subject && finding.state != State::Skipped)
                .map(|finding| finding.state)
                .max()
        };
        let was_skipped = |id: &str, subject: &str| {
            let same = earlier
                .checks
                .iter()
                .filter(|checked| checked.id == id)
                .flat_map(|checked| &checked.findings);
            same.filter(|finding| finding.subject == subject).any(|finding| finding.state == State::Skipped)
        };
        let worse = |mut checked: Checked| {
            checked.findings.retain(|finding| match finding.state {
                State::Skipped => !was_skipped(&checked.id, &finding.subject),
                _ => finding.state > was(&checked.id, &finding.subject).unwrap_or(State::Ok),
            });
            (!checked.findings.is_empty()).then_some(checked)
        };
        let checks = self.checks.into_iter().filter_map(worse).collect();
        Report { checks, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::finding::{Effect, Remedy};

    fn checked(id: &str, findings: &[(State, &str)]) -> Checked {
        let finding = |&(state, subject): &(State, &str)| Finding::new(state, subject, "as it is");
        Checked {
            id: id.to_owned(),
            title: format!("{id} is well"),
            why: "it matters".to_owned(),
            findings: findings.iter().map(finding).collect(),
        }
    }

    fn report(checks: Vec<Checked>) -> Report {
        Report::new(Subject::default(), checks)
    }

    /// What is left of a report: check, state, subject.
    fn left(report: &Report) -> Vec<(&str, State, &str)> {
        report
            .checks
            .iter()
            .flat_map(|checked| {
                let findings = checked.findings.iter();
                findings.map(|finding| (checked.id.as_str(), finding.state, finding.subject.as_str()))
            })
            .collect()
    }

    #[test]
    fn the_worst_comes_first_and_what_is_as_bad_stays_in_order() {
        use State::{Crit, Info, Ok, Skipped, Warn};
        let all = report(vec![
            checked("A1", &[(Ok, "server")]),
            checked("A2", &[(Info, "server")]),
            checked("A3", &[(Ok, "server"), (Warn, "table a")]),
            checked("A4", &[(Skipped, "server")]),
            checked("A5", &[(Crit, "server"), (Info, "role app")]),
            checked("A6", &[(Warn, "server")]),
            checked("A7", &[]),
        ]);
        let order: Vec<_> = all.checks.iter().map(|checked| checked.id.as_str()).collect();
        assert_eq!(order, ["A5", "A3", "A6", "A4", "A2", "A1", "A7"]);
        assert_eq!(all.state(), Crit);
        let counts = [Ok, Info, Skipped, Warn, Crit].map(|state| all.count(state));
        assert_eq!(counts, [2, 2, 1, 2, 1]);
        assert_eq!(report(Vec::new()).state(), Ok);
    }

    #[test]
    fn only_what_is_new_or_worse_is_left_and_what_could_not_be_seen_is_no_comparison() {
        use State::{Crit, Info, Ok, Skipped, Warn};
        let earlier = report(vec![
            checked("A1", &[(Warn, "table same"), (Warn, "table worse"), (Crit, "table better")]),
            checked("A2", &[(Skipped, "server")]),
            checked("A3", &[(Info, "table twice"), (Warn, "table twice")]),
            checked("A4", &[(Ok, "server")]),
        ]);
        let now = report(vec![
            checked(
                "A1",
                &[(Warn, "table same"), (Crit, "table worse"), (Warn, "table better"), (Info, "table new")],
            ),
            checked("A2", &[(Info, "server")]),
            checked("A3", &[(Warn, "table twice")]),
            checked("A4", &[(Skipped, "server")]),
            checked("A5", &[(Ok, "server")]),
            checked("A6", &[(Warn, "table same")]),
        ]);
        let new = now.clone().since(&earlier);
        assert_eq!(
            left(&new),
            [
                ("A1", Crit, "table worse"),
                ("A1", Info, "table new"),
                ("A6", Warn, "table same"),
                ("A4", Skipped, "server"),
                ("A2", Info, "server"),
            ]
        );
        assert_eq!((new.count(Warn), new.state()), (1, Crit));
        // What is known, and what is known not to be seen, is nothing new.
        assert_eq!(left(&now.clone().since(&now)), []);
    }

    #[test]
    fn a_report_is_written_and_read_and_says_in_which_form() {
        let remedy = Remedy::Sql {
            run: vec!["ALTER SYSTEM SET fsync = 'on'".to_owned()],
            undo: Vec::new(),
            effect: Effect::Reload,
        };
        let mut one = checked("R05", &[(State::Crit, "setting fsync"), (State::Skipped, "server")]);
        for (finding, remedy) in one.findings.iter_mut().zip([remedy, Remedy::advice("look")]) {
            *finding = finding.clone().source("pg_settings").threshold("on").remedy(remedy);
        }
        let report = report(vec![one, checked("R01", &[(State::Ok, "it's \"odd\" \u{e9}\n")])]);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema_version"], SCHEMA_VERSION);
        let finding = &value["checks"][0]["findings"][0];
        assert_eq!(finding["state"], "crit");
        assert_eq!(finding["remedy"]["kind"], "sql");
        assert_eq!(finding["remedy"]["effect"], "reload");
        assert_eq!(value["checks"][0]["findings"][1]["remedy"]["kind"], "advice");
        assert!(value["checks"][1]["findings"][0].get("remedy").is_none());
        // A reader of a later form need not know of what is new in it, nor the other way round.
        let later = text.replacen('{', "{\"also\":1,", 1);
        assert_eq!(serde_json::from_str::<Report>(&later).unwrap(), report);
    }
}
