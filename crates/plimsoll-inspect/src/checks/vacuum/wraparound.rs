//! B01: no database comes near the end of its transaction numbers.

use crate::checks::check::{Check, Threshold};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const WARN: Threshold = Threshold {
    name: "xid_age_warn",
    default: 500_000_000.0,
    unit: "xids",
    meaning: "a database whose oldest transaction number is older is a warning",
};

const CRIT: Threshold = Threshold {
    name: "xid_age_crit",
    default: 1_300_000_000.0,
    unit: "xids",
    meaning: "a database whose oldest transaction number is older makes trouble; at 2.1 billion the server takes no more writes",
};

/// So many tables are named one by one; the question asks for one more.
const NAMED: usize = 20;

pub(super) const B01: Check = Check {
    id: "B01",
    title: "No database comes near the end of its transaction numbers",
    why: "three million numbers before they run out the server refuses every statement that would need one",
    ask: &[include_str!("wraparound.sql")],
    needs_primary: true,
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
        let mut tables = Vec::new();
        let mut databases = Vec::new();
        for row in answers.rows().filter(|row| row.has("aged_database")) {
            let xids: f64 = row.number("xids")?.unwrap_or_default();
            if xids <= warn {
                continue;
            }
            match (row.text("aged_database")?, row.text("aged_table")?) {
                (Some(database), _) => databases.push((database, row.flag("is_here")?, xids)),
                (None, Some(table)) => tables.push((table, xids)),
                (None, None) => {}
            }
        }
        let found = databases.into_iter().map(|(database, is_here, xids)| {
            let state = if xids > crit { State::Crit } else { State::Warn };
            let (value, remedy) = match is_here {
                true => of_tables(xids, &tables),
                false => (
                    format!("its oldest transaction number is {xids} transactions old"),
                    Remedy::advice(format!(
                        "in database {database}: VACUUM (FREEZE), or this check there for its tables"
                    )),
                ),
            };
            Finding::new(state, format!("database {database}"), value)
                .source("pg_database.datfrozenxid, pg_class.relfrozenxid")
                .threshold(format!("at most {warn}; {crit} make trouble, and at 2,146,483,647 writes end"))
                .remedy(remedy)
        });
        Ok(worst_first(found.collect()))
    },
    ..Check::USUAL
};

/// What to say and do where the tables can be seen. What holds the horizon back (A06) comes first: no vacuum freezes past it.
fn of_tables(xids: f64, tables: &[(&str, f64)]) -> (String, Remedy) {
    let worst: Vec<String> = tables.iter().take(5).map(|(table, age)| format!("{table} {age}")).collect();
    let worst =
        if worst.is_empty() { String::new() } else { format!("; the oldest tables: {}", worst.join(", ")) };
    let value = format!(
        "its oldest transaction number is {xids} transactions old{worst}; vacuum cannot freeze what A06 finds to be held"
    );
    let all = tables.is_empty() || tables.len() > NAMED;
    let run = match all {
        true => vec!["VACUUM (FREEZE)".to_owned()],
        false => tables.iter().map(|(table, _)| format!("VACUUM (FREEZE) {table}")).collect(),
    };
    (value, Remedy::Sql { run, undo: Vec::new(), effect: crate::checks::finding::Effect::Now })
}
