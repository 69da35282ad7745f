//! A02: no transaction stands idle.

use super::sessions::{self, SESSIONS, lasting};
use crate::answer::Unreadable;
use crate::blocking::{BLOCKING, Blocking};
use crate::checks::check::{Answers, Check, Threshold};
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
    ask_if_known: &[BLOCKING],
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
        let blocking = blocking(answers)?;
        let mut found = Vec::new();
        for session in sessions::read(answers)? {
            if !session.state.starts_with("idle in transaction") || session.state_for <= warn {
                continue;
            }
            let held = locks.get(&session.pid).map_or("only the locks of a reader", String::as_str);
            let waiters = waiters(blocking.as_ref(), session.pid);
            let age = match session.transaction_for {
                // The server forgets when a transaction began that has failed.
                0.0 => String::new(),
                seconds => format!(", its transaction is {} old", lasting(seconds)),
            };
            let idle_for = lasting(session.state_for);
            let value =
                format!("{} is {} for {idle_for}{age}; it holds {held}{waiters}", session.who, session.state);
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

/// Who waits for whom; `None` where the server did not say.
fn blocking(answers: &Answers<'_>) -> Result<Option<Blocking>, Unreadable> {
    // Nobody waits where there is no row, and there is none either where it was not answered; the answers are told apart by
    // their number.
    let all = answers.0.iter().skip(A02.ask.len());
    all.map(|answer| Blocking::read(answer)).next().transpose()
}

/// How many sessions wait for the end of this one, whatever kind of lock it is: a row and a transaction are locks of their own.
fn waiters(blocking: Option<&Blocking>, pid: i32) -> String {
    let Some(blocking) = blocking else { return "; who waits for it was not to be found out".to_owned() };
    let waiting = blocking.waiting_for(pid);
    let Some(longest) = waiting.iter().map(|session| session.waited()).max() else { return String::new() };
    let sessions = match waiting.len() {
        1 => "1 session waits".to_owned(),
        more => format!("{more} sessions wait"),
    };
    format!("; {sessions} for it, the longest for {}", lasting(longest.as_secs_f64()))
}
