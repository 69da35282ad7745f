//! I03: each index is used.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Effect, Finding, Remedy, State, worst_first};
use crate::checks::size::{MEGABYTE, size};
use crate::checks::subject::{Subject, quoted};

const DAY: f64 = 86_400.0;

const AGE: Threshold = Threshold {
    name: "unused_index_statistics",
    default: 30.0,
    unit: "d",
    meaning: "statistics that were collected for a shorter time do not tell what is unused",
};

const SMALLEST: Threshold = Threshold {
    name: "unused_index_info",
    default: 1.0,
    unit: "MB",
    meaning: "an unused index of this size or more is told",
};

const LARGE: Threshold = Threshold {
    name: "unused_index_warn",
    default: 100.0,
    unit: "MB",
    meaning: "a larger unused index is a warning",
};

pub(super) const I03: Check = Check {
    id: "I03",
    title: "Each index is used",
    why: "an index that no query uses makes each write slower, fills memory and disk, and is vacuumed for \
     nothing",
    ask: &[include_str!("unused.sql")],
    needs_primary: true,
    thresholds: &[AGE, SMALLEST, LARGE],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let (mut found, mut seconds) = (Vec::new(), None);
    for row in answers.rows() {
        seconds = row.number::<f64>("statistics_seconds")?;
        let bytes = row.number::<f64>("bytes")?.unwrap_or_default();
        if row.text("index_name")?.is_some() && bytes >= thresholds.get(&SMALLEST) * MEGABYTE {
            let state = if bytes > thresholds.get(&LARGE) * MEGABYTE { State::Warn } else { State::Info };
            let days = seconds.unwrap_or_default() / DAY;
            found.push(finding(row, state, days)?.threshold(format!(
                "a scan in {} days, or smaller than {} MB",
                thresholds.get(&AGE),
                thresholds.get(&SMALLEST)
            )));
        }
    }
    let needed = thresholds.get(&AGE);
    if found.is_empty() || seconds.is_some_and(|seconds| seconds >= needed * DAY) {
        return Ok(worst_first(found));
    }
    let age = match seconds {
        Some(seconds) => format!("for {:.1} days", seconds / DAY),
        None => "for an unknown time".to_owned(),
    };
    Ok(vec![Finding::skipped(
        format!("database {}", subject.database),
        format!(
            "statistics were collected {age}, and only {needed:.0} days would tell that the {} indexes \
             without a scan are unused",
            found.len()
        ),
    )])
}

fn finding(row: Row<'_>, state: State, days: f64) -> Result<Finding, Unreadable> {
    let name = row.text("index_name")?.unwrap_or_default();
    let table = row.text("table_name")?.unwrap_or_default();
    let shown = size(row.number::<f64>("bytes")?.unwrap_or_default());
    let mut value = format!(
        "no scan on this server has used the index of {table} ({shown}) in the {days:.0} days of its \
         statistics, unless it is younger than that"
    );
    match row.number::<u64>("standbys")?.unwrap_or_default() {
        0 => value.push_str("; a standby's own use of it does not show here"),
        standbys => value.push_str(&format!(
            "; {standbys} standbys follow this server, and what their queries use does not show here: ask \
             them first"
        )),
    }
    if row.flag("is_of_expression")? {
        value.push_str(
            "; ANALYZE collects statistics of its expression for the planner, which would go with it",
        );
    }
    let remedy = match row.text("definition")? {
        Some(definition) if !row.flag("is_partitioned")? => {
            let mut undo = vec![definition.to_owned()];
            if let Some(tablespace) = row.text("tablespace")? {
                undo.push(format!("ALTER INDEX {name} SET TABLESPACE {}", quoted(tablespace)));
            }
            Remedy::Sql { run: vec![format!("DROP INDEX CONCURRENTLY {name}")], undo, effect: Effect::Now }
        }
        _ => Remedy::advice(format!(
            "DROP INDEX {name} in a quiet moment: it is the index of a partitioned table, which cannot be dropped CONCURRENTLY, so \
             it locks the table and its partitions"
        )),
    };
    Ok(Finding::new(state, format!("index {name}"), value)
        .source("pg_stat_user_indexes.idx_scan")
        .remedy(remedy))
}
