//! A02: no transaction stands idle.

use super::sessions::{self, SESSIONS, lasting};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, State, worst_first};
use std::collections::BTreeMap;

/// Asks which locks idle transactions hold.
const LOCKS: &str = include_str!("idle_in_transaction.sql");

const WARN: Threshold = Threshold {
    name: "idle_in_transaction_warn",
    default: 15.0,
    unit: "s",
    meaning: "a transaction that stands idle for longer is a warning",
};

const CRIT: Threshold = Threshold {
    name: "idle_in_transaction_crit",
    default: 300.0,
    unit: "s",
    meaning: "a transaction that stands idle for longer makes trouble",
};

pub(super) const A02: Check = Check {
    id: "A02",
    title: "No transaction stands idle",
    why: "it holds its locks and its connection, and keeps vacuum from removing what was deleted since it began, for nothing",
    ask: &[SESSIONS, LOCKS],
    needs_monitor: true,
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
        let mut locks: BTreeMap<i32, String> = BTreeMap::new();
        for row in answers.rows().filter(|row| row.has("lock_holder")) {
            if let (Some(pid), Some(held)) = (row.number("lock_holder")?, row.text("locks_held")?) {
                locks.insert(pid, held.to_owned());
            }
        }
        let mut found = Vec::new();
        for session in sessions::read(answers)? {
            if !session.state.starts_with("idle in transaction") || session.state_for <= warn {
                continue;
            }
            let held = locks.get(&session.pid).map_or("no lock that matters", String::as_str);
            let age = match session.transaction_for {
                // The server forgets when a transaction began that has failed.
                0.0 => String::new(),
                seconds => format!(", its transaction is {} old", lasting(seconds)),
            };
            let idle_for = lasting(session.state_for);
            let value = format!("{} is {} for {idle_for}{age}; it holds {held}", session.who, session.state);
            let state = if session.state_for > crit { State::Crit } else { State::Warn };
            found.push(
                Finding::new(state, session.subject(), value)
                    .source("pg_stat_activity.state_change, pg_locks")
                    .threshold(format!("at most {warn} s; {crit} s makes trouble"))
                    .remedy(session.terminate()),
            );
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};
