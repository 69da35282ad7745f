//! I04: the table that refers to another has an index for it.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::subject::{Subject, quoted};

const ROWS: Threshold = Threshold {
    name: "foreign_key_rows_warn",
    default: 10_000.0,
    unit: "rows",
    meaning: "a foreign key without an index on a table with more rows is a warning",
};

pub(super) const I04: Check = Check {
    id: "I04",
    title: "Each large table that refers to another has an index for it",
    why: "without it each DELETE of a parent's row, and each change of its key, reads the whole table that \
     refers to it and keeps locks meanwhile",
    ask: &[include_str!("foreign_keys.sql")],
    needs_primary: true,
    thresholds: &[ROWS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let most = thresholds.get(&ROWS);
    let mut found = Vec::new();
    for row in answers.rows() {
        let (key, table) =
            (row.text("key_name")?.unwrap_or_default(), row.text("table_name")?.unwrap_or_default());
        let subject = format!("foreign key {key} of {table}");
        match row.number::<f64>("row_count")? {
            None => found.push(Finding::skipped(
                subject,
                format!(
                    "no index begins with its columns, and nothing has counted the rows of {table}: \
                     ANALYZE {table}"
                ),
            )),
            Some(rows) if rows > most => found.push(
                finding(row, subject, rows)?
                    .threshold(format!("an index that begins with its columns, or at most {most} rows")),
            ),
            Some(_) => {}
        }
    }
    Ok(worst_first(found))
}

fn finding(row: Row<'_>, subject: String, rows: f64) -> Result<Finding, Unreadable> {
    let text = |column| row.text(column).map(Option::unwrap_or_default);
    let (table, parent, columns) = (text("table_name")?, text("parent_name")?, text("column_names")?);
    let value = format!(
        "no index of {table}, which has about {rows:.0} rows, begins with the columns ({columns}) that \
         refer to {parent}"
    );
    let name = quoted(text("free_name")?);
    let remedy = if row.flag("is_partitioned")? {
        Remedy::advice(format!(
            "CREATE INDEX {name} ON ONLY {table} ({columns}); then CREATE INDEX CONCURRENTLY on each partition and \
             ALTER INDEX {}.{name} ATTACH PARTITION each of them: a partitioned table has no CREATE INDEX CONCURRENTLY",
            text("schema_name")?
        ))
    } else {
        Remedy::now(
            format!("CREATE INDEX CONCURRENTLY {name} ON {table} ({columns})"),
            format!("DROP INDEX CONCURRENTLY {}.{name}", text("schema_name")?),
        )
    };
    Ok(Finding::new(State::Warn, subject, value).source("pg_constraint, pg_index").remedy(remedy))
}
