//! A05: transactions do not deadlock.

use super::sessions::lasting;
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, Remedy, State};

const WARN: Threshold = Threshold {
    name: "deadlocks_warn",
    default: 0.04,
    unit: "per hour",
    meaning: "more deadlocks an hour, over all the time that they are counted, are a warning; 0.04 is one a day",
};

const YOUNGEST: Threshold = Threshold {
    name: "deadlocks_counted_for",
    default: 3_600.0,
    unit: "s",
    meaning: "counters that are younger and say none prove nothing",
};

pub(super) const A05: Check = Check {
    id: "A05",
    title: "Transactions do not deadlock",
    why: "the server ends one of two transactions that wait for each other, after both have waited for deadlock_timeout",
    ask: &[include_str!("deadlocks.sql")],
    thresholds: &[WARN, YOUNGEST],
    read: |answers, subject, thresholds| {
        let Some(row) = answers.rows().find(|row| row.has("deadlocks")) else { return Ok(Vec::new()) };
        let deadlocks: f64 = row.number("deadlocks")?.unwrap_or_default();
        let seconds: f64 = row.number::<f64>("counted_seconds")?.unwrap_or_default().max(1.0);
        let about = format!("database {}", subject.database);
        let (warn, youngest) = (thresholds.get(&WARN), thresholds.get(&YOUNGEST));
        if deadlocks == 0.0 {
            let why = format!("no deadlock so far, but they are counted for {} only", lasting(seconds));
            return Ok(if seconds < youngest { vec![Finding::skipped(about, why)] } else { Vec::new() });
        }
        let rate = deadlocks / (seconds / 3_600.0);
        let since = row.text("counted_since")?.unwrap_or_default();
        let value = format!("deadlocks since {since}: {deadlocks}, which is {rate:.2} an hour");
        let state = if rate > warn { State::Warn } else { State::Info };
        Ok(vec![
            Finding::new(state, about, value)
                .source("pg_stat_database.deadlocks")
                .threshold(format!("at most {warn} an hour"))
                .remedy(Remedy::advice(
                    "the server's log names both statements of each deadlock; let all transactions lock rows and tables in the same \
                     order (ORDER BY the key, with FOR UPDATE), and run a transaction again that ended with 40P01",
                )),
        ])
    },
    ..Check::USUAL
};
