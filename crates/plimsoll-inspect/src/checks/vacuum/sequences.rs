//! B10: no sequence runs out, and no column that it fills.

use super::size;
use crate::answer::{Row, Unreadable};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Effect, Finding, Remedy, State, worst_first};

const WARN: Threshold = Threshold {
    name: "sequence_used_warn",
    default: 70.0,
    unit: "%",
    meaning: "a sequence that has given out more of its numbers is a warning",
};

const CRIT: Threshold = Threshold {
    name: "sequence_used_crit",
    default: 85.0,
    unit: "%",
    meaning: "a sequence that has given out more of its numbers makes trouble",
};

/// A table of more bytes is not rewritten in one go.
const REWRITTEN: f64 = 100.0 * 1_048_576.0;

pub(super) const B10: Check = Check {
    id: "B10",
    title: "No sequence runs out",
    why: "at its end every insert fails, and by then the table is so large that a wider column takes hours",
    ask: &[include_str!("sequences.sql")],
    thresholds: &[WARN, CRIT],
    read: |answers, _, thresholds| {
        let mut found = Vec::new();
        let mut hidden = 0;
        for row in answers.rows().filter(|row| row.has("sequence_name")) {
            match row.text("last")? {
                None => hidden += 1,
                Some(_) => found.extend(judge(row, thresholds)?),
            }
        }
        if hidden > 0 {
            let why = format!(
                "of {hidden} sequences the role that asks may not see where they stand: GRANT pg_read_all_data"
            );
            found.push(Finding::skipped("sequences", why));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(row: Row<'_>, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
    let used: f64 = row.number("used")?.unwrap_or_default();
    if used <= warn {
        return Ok(None);
    }
    let state = if used > crit { State::Crit } else { State::Warn };
    let text = |column| row.text(column).map(|text| text.unwrap_or_default());
    let sequence = text("sequence_name")?;
    let fills = match row.text("table_name")? {
        Some(table) => format!(", which fills {table}.{} ({})", text("column_name")?, text("column_type")?),
        None => String::new(),
    };
    let limit = match row.flag("ends_by_column")? {
        true => "the end of that column's type".to_owned(),
        false if row.number::<i64>("increment")?.unwrap_or(1) < 0 => text("seqmin")?.to_owned(),
        false => text("seqmax")?.to_owned(),
    };
    let value = format!("it stands at {}, {used:.1} % of the way to {limit}{fills}", text("last")?);
    Ok(Some(
        Finding::new(state, format!("sequence {sequence}"), value)
            .source("pg_sequence, pg_attribute.atttypid")
            .threshold(format!("at most {warn} %; {crit} % makes trouble"))
            .remedy(remedy(row, sequence)?),
    ))
}

/// A wider column, if that is what ends it and the table is small enough to be rewritten while nothing can use it; else a plan. A
/// wider sequence, where only that is too narrow.
fn remedy(row: Row<'_>, sequence: &str) -> Result<Remedy, Unreadable> {
    let text = |column| row.text(column).map(|text| text.unwrap_or_default());
    let (column_type, sequence_type) = (text("column_type")?, text("sequence_type")?);
    let is_narrow = matches!(column_type, "smallint" | "integer");
    let (most, least) = (text("seqmax")?, text("seqmin")?);
    if row.number::<i64>("increment")?.unwrap_or(1) < 0 {
        return Ok(Remedy::advice(format!(
            "it counts down to {least}: give it a lower MINVALUE, and its column a wider type"
        )));
    }
    if !is_narrow {
        let run = format!("ALTER SEQUENCE {sequence} AS bigint NO MAXVALUE");
        return Ok(Remedy::now(run, format!("ALTER SEQUENCE {sequence} AS {sequence_type} MAXVALUE {most}")));
    }
    let (table, column) = (text("table_name")?, text("column_name")?);
    let bytes: Option<f64> = row.number("bytes")?;
    if bytes.is_none_or(|bytes| bytes > REWRITTEN) {
        let is =
            bytes.map_or("is locked, or not stored here".to_owned(), |bytes| format!("has {}", size(bytes)));
        return Ok(Remedy::advice(format!(
            "{table} {is}: add a bigint column, keep it equal by a trigger, fill it in batches, build its unique index CONCURRENTLY, \
             then exchange the two columns in one short transaction; every foreign key to it needs the same"
        )));
    }
    // The sequence of an identity follows its column by itself.
    let widened = format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint");
    let narrowed = format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {column_type}");
    let (mut run, mut undo) = (vec![widened], Vec::new());
    if sequence_type == "bigint" {
        undo.push(narrowed);
    } else {
        run.push(format!("ALTER SEQUENCE {sequence} AS bigint NO MAXVALUE"));
        undo.push(format!("ALTER SEQUENCE {sequence} AS {sequence_type} MAXVALUE {most}"));
        undo.push(narrowed);
    }
    Ok(Remedy::Sql { run, undo, effect: Effect::Now })
}
