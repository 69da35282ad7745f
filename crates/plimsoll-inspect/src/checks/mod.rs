//! Checks: what is wrong with a server, a role or a table, why that matters, and what puts it right.
//!
//! A [`Check`] is one constant in a file of its own, with its SQL beside it. [`all`] lists them, once: `plimsoll doctor`, its
//! help and its page are made of that list. [`examine`] asks them one after the other on a connection that the caller has, and
//! [`Report`] holds what was found.
//!
//! | file or folder | what it holds |
//! |---|---|
//! | [`check`] | what a check consists of |
//! | [`finding`] | what a check finds, and the remedy |
//! | [`subject`] | what is known of the server and of the role before anything is checked |
//! | [`role_settings`] | the settings as a session of the application's role has them |
//! | [`server_settings`] | the settings as the server's configuration has them, and how one is changed and brought back |
//! | [`setting_value`] | how PostgreSQL reads times and sizes |
//! | [`size`] | how a size is written |
//! | [`run`] | asks the checks, within limits |
//! | [`report`] | all findings, as they are shown, compared and written |
//! | `guardrails/`, `connections/`, .. | the checks, a file each |
//!
//! A check that could not be made is [`State::Skipped`] with the reason, and never ok: a role that may not see something, a
//! server of another version, a question that ran into its limit.

mod activity;
mod connections;
mod guardrails;
mod indexes;
mod observability;
mod replication;
mod vacuum;

pub mod check;
pub mod finding;
pub mod report;
pub mod role_settings;
pub mod run;
pub(crate) mod server_settings;
pub mod setting_value;
pub(crate) mod size;
pub mod subject;

pub(crate) use activity::terminate;
pub use check::{Answers, Check, Place, Threshold, Thresholds};
pub use finding::{Finding, Remedy, State};
pub use report::{Checked, Report};
pub use run::examine;
pub use subject::Subject;

/// All checks, by group and number.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let groups: [&[&'static Check]; 7] = [
        guardrails::CHECKS,
        connections::CHECKS,
        activity::CHECKS,
        vacuum::CHECKS,
        indexes::CHECKS,
        replication::CHECKS,
        observability::CHECKS,
    ];
    groups.into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn is_sentence(text: &str, begins: fn(char) -> bool) {
        let first = text.chars().next();
        assert!(first.is_some_and(begins), "it begins as all of its kind do: {text}");
        assert!(!text.ends_with(['.', '!', '?', ' ', ':']), "it has no full stop: {text}");
        assert!(text.is_ascii() && !text.contains(['\n', '\t']), "it is plain text on one line: {text}");
        assert!(!text.contains("  ") && text.len() <= 240, "it is one short sentence: {text}");
    }

    #[test]
    fn each_check_speaks_in_one_form() {
        for check in all() {
            is_sentence(check.title, |first| first.is_ascii_uppercase());
            is_sentence(check.why, |first| first.is_ascii_lowercase());
            for threshold in check.thresholds {
                is_sentence(threshold.meaning, |first| first.is_ascii_lowercase());
                let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(threshold.name.chars().all(is_of_name), "{}: {}", check.id, threshold.name);
                assert!(threshold.default.is_finite(), "{}: {}", check.id, threshold.name);
            }
        }
    }

    #[test]
    fn no_check_and_no_threshold_is_there_twice_and_they_are_listed_in_order() {
        let ids: Vec<_> = all().map(|check| check.id).collect();
        for id in &ids {
            let (group, number) = id.split_at(1);
            assert!("GCABIRO".contains(group) && number.len() == 2 && number.parse::<u8>().is_ok(), "{id}");
        }
        let place = |id: &&str| "GCABIRO".find(&id[..1]).map(|group| (group, id[1..].to_owned()));
        assert!(ids.is_sorted_by(|one, other| place(one) < place(other)), "{ids:?}");
        let mut names = BTreeSet::new();
        for check in all() {
            for threshold in check.thresholds {
                assert!(names.insert(threshold.name), "{} is one of {} again", threshold.name, check.id);
            }
        }
    }

    #[test]
    fn each_question_only_reads_and_needs_no_parameter() {
        const READS: [&str; 6] =
            ["SELECT", "WITH", "SHOW", "SET LOCAL", "BEGIN TRANSACTION READ ONLY", "COMMIT"];
        for check in all().filter(|check| check.place == Place::Server) {
            for question in check.ask {
                let code: Vec<_> = question.lines().filter_map(|line| line.split("--").next()).collect();
                // Every second part is a text, which may hold anything.
                let code: String = code.join("\n").split('\'').step_by(2).collect();
                assert!(!code.contains("$1"), "{} has no parameter: {code}", check.id);
                for statement in code.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                    let reads = READS.iter().any(|begin| statement.starts_with(begin));
                    assert!(reads, "{} only reads: {statement}", check.id);
                }
            }
        }
    }

    #[test]
    fn a_threshold_that_there_is_can_be_said_otherwise() {
        let mut thresholds = Thresholds::default();
        let known = all().flat_map(|check| check.thresholds).next().unwrap();
        assert_eq!(thresholds.get(known), known.default);
        assert!(thresholds.set(known.name, 17.5));
        assert_eq!(thresholds.get(known), 17.5);
        assert!(!thresholds.set("no_such_threshold", 1.0));
    }
}
