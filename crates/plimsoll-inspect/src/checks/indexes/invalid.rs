//! I01: each index can be used by queries.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, State, worst_first};
use crate::checks::size::size;
use crate::checks::subject::Subject;
use crate::indexes::remedy::Invalid;
use crate::indexes::{INDEXES, Indexes};
use std::collections::BTreeMap;

pub(super) const I01: Check = Check {
    id: "I01",
    title: "Each index can be used by queries",
    why: "a CREATE INDEX CONCURRENTLY that failed leaves an index that costs each write its time and serves \
     no query",
    ask: &[include_str!("invalid.sql")],
    ask_if_known: &[INDEXES],
    needs_primary: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let mut found = Vec::new();
    let indexes = Indexes::of(answers.rows())?.indexes;
    let covers: BTreeMap<String, String> =
        indexes.into_iter().filter_map(|index| Some((index.name, index.covered_by?))).collect();
    for row in answers.rows().filter(|row| row.has("invalid_index")) {
        let name = row.text("invalid_index")?.unwrap_or_default();
        let table = row.text("table_name")?.unwrap_or_default();
        let subject = format!("index {name}");
        if row.flag("may_be_under_way")? {
            found.push(Finding::skipped(
                subject,
                format!(
                    "it is not valid, and an index of {table} is built at this moment: which one it is \
                     shows only to a role with the rights of pg_monitor"
                ),
            ));
            continue;
        }
        let shown = size(row.number::<f64>("bytes")?.unwrap_or_default());
        let costs =
            if row.flag("is_kept")? { "each write keeps it up to date" } else { "writes leave it as it is" };
        let invalid = Invalid {
            name,
            is_left_over: row.flag("is_left_over")?,
            covered_by: covers.get(name).map(String::as_str),
            is_unique: row.flag("is_unique")?,
            equal_rows: row.text("equal_rows")?,
        };
        let reason = invalid.reason();
        found.push(
            Finding::new(
                State::Warn,
                subject,
                format!("the index of {table} is not valid ({shown}): no query uses it and {costs}{reason}"),
            )
            .source("pg_index.indisvalid")
            .threshold("valid, or being built")
            .remedy(invalid.remedy()),
        );
    }
    Ok(worst_first(found))
}
