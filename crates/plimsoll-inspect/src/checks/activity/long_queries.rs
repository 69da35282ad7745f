//! A01: no statement runs for long.

use super::sessions::{self, SESSIONS, Session, lasting};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State, worst_first};
use crate::checks::role_settings::{self, ROLE_SETTINGS};
use crate::checks::subject::Subject;

const WARN: Threshold = Threshold {
    name: "long_query_warn",
    default: 60.0,
    unit: "s",
    meaning: "a statement that runs longer is a warning; for the application's role its statement_timeout counts instead",
};

const CRIT: Threshold = Threshold {
    name: "long_query_crit",
    default: 300.0,
    unit: "s",
    meaning: "a statement that runs longer makes trouble, unless the role's statement_timeout allows it",
};

pub(super) const A01: Check = Check {
    id: "A01",
    title: "No statement runs for long",
    why: "a statement that runs for long holds its connection, its locks and the rows that vacuum may not remove",
    ask: &[ROLE_SETTINGS, SESSIONS],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read: |answers, subject, thresholds| {
        let limit = role_settings::read(answers)?.get("statement_timeout").and_then(|limit| limit.number());
        let budget = limit.filter(|millis| *millis > 0.0).map(|millis| millis / 1_000.0);
        let sessions = sessions::read(answers)?;
        let found = sessions.iter().filter_map(|session| judge(session, subject, budget, thresholds));
        Ok(worst_first(found.collect()))
    },
    ..Check::USUAL
};

fn judge(
    session: &Session,
    subject: &Subject,
    budget: Option<f64>,
    thresholds: &Thresholds,
) -> Option<Finding> {
    let budget = budget.filter(|_| session.user == subject.role);
    let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
    let (warn, crit) = budget.map_or((warn, crit), |budget| (budget, crit.max(budget)));
    let ran = session.query_for;
    if !session.is_active() || ran <= warn {
        return None;
    }
    let waits = if session.waits_for_lock { ", and waits for a lock at the moment" } else { "" };
    let value = |what: &str| format!("{} has run {what} for {}{waits}", session.who, lasting(ran));
    let limits = match budget {
        Some(budget) => format!("at most {budget} s, which is the role's statement_timeout"),
        None => format!("at most {warn} s; {crit} s makes trouble"),
    };
    let finding = match &session.maintenance {
        Some(what) => Finding::new(State::Info, session.subject(), value(what)),
        None => {
            let state = if ran > crit { State::Crit } else { State::Warn };
            Finding::new(state, session.subject(), value("a statement")).remedy(session.cancel())
        }
    };
    Some(finding.source("pg_stat_activity.query_start").threshold(limits))
}
