//! The exit status of `doctor`.
//!
//! It is made for who is woken by it. A check that cannot be made is never ok, and says so in the report; but it is not an alarm
//! either, because what a version, a role or a place does not allow is the same in every run, and an alarm that never goes out is
//! soon not looked at. What is an alarm of its own is a run that did not come to its end: somebody thought that the server was
//! looked at, and it was not.

use crate::Ended;
use plimsoll_inspect::checks::{Report, State};

/// Whether anything at all could be looked at.
pub(super) fn has_looked(report: &Report) -> bool {
    [State::Ok, State::Info, State::Warn, State::Crit].into_iter().any(|state| report.count(state) > 0)
}

/// How the command ends. `is_incomplete` says that something was named that could not be asked; `has_looked`, that something could
/// be looked at, also where nothing of that is left in the report since it was the same before.
pub(super) fn ended(report: &Report, has_looked: bool, is_strict: bool, is_incomplete: bool) -> Ended {
    let count = |state| report.count(state);
    let skipped = count(State::Skipped);
    let worst = [State::Crit, State::Warn].into_iter().find(|state| count(*state) > 0);
    let is_in_doubt = report.cut_short.is_some() || is_incomplete;
    match worst {
        Some(state) => Ended::of(state),
        None if is_in_doubt || (skipped > 0 && (is_strict || !has_looked)) => Ended::Unknown,
        None => Ended::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_inspect::checks::{Checked, Finding, Subject, all};

    fn report(states: &[State]) -> Report {
        let check = all().next().unwrap();
        let finding = |state| {
            let mut finding = Finding::skipped("server", "");
            finding.state = state;
            finding
        };
        let findings = states.iter().map(|state| finding(*state)).collect();
        Report::new(Subject::default(), vec![Checked::new(check, findings)])
    }

    fn of(report: &Report, is_strict: bool, is_incomplete: bool) -> Ended {
        ended(report, has_looked(report), is_strict, is_incomplete)
    }

    #[test]
    fn what_was_found_comes_before_what_was_not_looked_at() {
        use State::{Crit, Info, Ok, Skipped, Warn};
        let cases: [(&[State], Ended); 7] = [
            (&[Ok, Info], Ended::Well),
            (&[], Ended::Well),
            (&[Ok, Skipped], Ended::Well),
            (&[Skipped, Skipped], Ended::Unknown),
            (&[Ok, Skipped, Warn], Ended::Warned),
            (&[Skipped, Crit, Warn], Ended::Badly),
            (&[Crit], Ended::Badly),
        ];
        for (states, status) in cases {
            assert_eq!(of(&report(states), false, false), status, "{states:?}");
        }
        let short = |states| report(states).cut_short(Some("the time was over".to_owned()));
        assert_eq!(of(&short(&[Ok]), false, false), Ended::Unknown);
        assert_eq!(of(&short(&[Ok, Warn]), false, false), Ended::Warned);
        assert_eq!(of(&report(&[Ok, Skipped]), true, false), Ended::Unknown);
        assert_eq!(of(&report(&[Ok]), true, false), Ended::Well);
        assert_eq!(of(&report(&[Ok]), false, true), Ended::Unknown);
        assert_eq!(of(&report(&[Ok, Crit]), false, true), Ended::Badly);
    }
}
