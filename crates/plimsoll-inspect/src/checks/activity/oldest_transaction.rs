//! A03: no transaction is old.

use super::sessions::{self, SESSIONS, lasting};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, State, worst_first};

const WARN: Threshold = Threshold {
    name: "transaction_age_warn",
    default: 300.0,
    unit: "s",
    meaning: "a transaction that is older is a warning",
};

const CRIT: Threshold = Threshold {
    name: "transaction_age_crit",
    default: 1_800.0,
    unit: "s",
    meaning: "a transaction that is older makes trouble",
};

pub(super) const A03: Check = Check {
    id: "A03",
    title: "No transaction is old",
    why: "vacuum removes nothing that was deleted since the oldest transaction began, anywhere in the database",
    ask: &[SESSIONS],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
        let sessions = sessions::read(answers)?;
        let old = sessions.iter().filter(|session| session.transaction_for > warn);
        let found = old.map(|session| {
            let value = format!(
                "the transaction of {} is {} old; the session is {} for {}",
                session.who,
                lasting(session.transaction_for),
                session.state,
                lasting(session.state_for)
            );
            let (state, remedy) = match &session.maintenance {
                Some(_) => (State::Info, None),
                None if session.transaction_for > crit => (State::Crit, Some(session.end())),
                None => (State::Warn, Some(session.end())),
            };
            let finding = Finding::new(state, session.subject(), value)
                .source("pg_stat_activity.xact_start")
                .threshold(format!("at most {warn} s; {crit} s makes trouble"));
            Finding { remedy, ..finding }
        });
        Ok(worst_first(found.collect()))
    },
    ..Check::USUAL
};
