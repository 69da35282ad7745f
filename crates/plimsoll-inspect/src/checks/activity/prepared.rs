//! A07: no prepared transaction was forgotten.

use super::sessions::lasting;
use crate::answer::{Row, Unreadable};
use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::subject::literal;

const WARN: Threshold = Threshold {
    name: "prepared_age_warn",
    default: 300.0,
    unit: "s",
    meaning: "a prepared transaction that is older is a warning: a coordinator ends its own within seconds",
};

const CRIT: Threshold = Threshold {
    name: "prepared_age_crit",
    default: 3_600.0,
    unit: "s",
    meaning: "a prepared transaction that is older makes trouble",
};

pub(super) const A07: Check = Check {
    id: "A07",
    title: "No prepared transaction was forgotten",
    why: "it keeps its locks and the rows that vacuum may not remove without any session, also across a restart, until it is ended by name",
    ask: &[include_str!("prepared.sql")],
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
        let mut found = Vec::new();
        for row in answers.rows() {
            let age: f64 = row.number("prepared_seconds")?.unwrap_or_default();
            if age > warn {
                let state = if age > crit { State::Crit } else { State::Warn };
                found.push(
                    finding(row, state, age)?
                        .threshold(format!("ended within {warn} s; {crit} s makes trouble")),
                );
            }
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn finding(row: Row<'_>, state: State, age: f64) -> Result<Finding, Unreadable> {
    let text = |column| row.text(column).map(Option::unwrap_or_default);
    let (gid, database) = (text("prepared_gid")?, text("database")?);
    let mut value = format!(
        "{} prepared it {} ago, at {} UTC, in database {database}",
        text("owner")?,
        lasting(age),
        text("prepared_at")?
    );
    if let Some(locks) = row.text("locks_held")? {
        value.push_str(&format!("; it holds {locks}"));
    }
    value.push_str(
        "; what was decided only its coordinator knows, and a rollback of what was committed elsewhere loses that: ask it first, \
         and if it was, COMMIT PREPARED instead",
    );
    // It can be ended only in its own database.
    let sql = format!("ROLLBACK PREPARED {}", literal(gid));
    let remedy = match row.flag("is_of_this_database")? {
        true => Remedy::for_good(sql),
        false => Remedy::advice(format!(
            "in database {database}: {sql}, or COMMIT PREPARED if its coordinator said so"
        )),
    };
    let finding = Finding::new(state, format!("prepared transaction {gid}"), value);
    Ok(finding.source("pg_prepared_xacts.prepared").remedy(remedy))
}
