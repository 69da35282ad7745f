//! I01: each index can be used by queries.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::size::size;
use crate::checks::subject::Subject;

pub(super) const I01: Check = Check {
    id: "I01",
    title: "Each index can be used by queries",
    why: "a CREATE INDEX CONCURRENTLY that failed leaves an index that costs each write its time and serves \
     no query",
    ask: &[include_str!("invalid.sql")],
    needs_primary: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let mut found = Vec::new();
    for row in answers.rows() {
        let name = row.text("index_name")?.unwrap_or_default();
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
        let is_kept = row.flag("is_kept")?;
        let costs = if is_kept { "each write keeps it up to date" } else { "writes leave it as it is" };
        // What REINDEX CONCURRENTLY leaves behind is a second copy; a try of anybody else is wanted.
        let remedy = if row.flag("is_left_over")? {
            format!("DROP INDEX CONCURRENTLY {name}")
        } else {
            format!("REINDEX INDEX CONCURRENTLY {name}")
        };
        let duplicates = if row.flag("is_unique")? {
            "; it is unique, so rows that are equal stop the rebuild"
        } else {
            ""
        };
        found.push(
            Finding::new(
                State::Warn,
                subject,
                format!(
                    "the index of {table} is not valid ({shown}): no query uses it and {costs}{duplicates}"
                ),
            )
            .source("pg_index.indisvalid")
            .threshold("valid, or being built")
            .remedy(Remedy::for_good(remedy)),
        );
    }
    Ok(worst_first(found))
}
