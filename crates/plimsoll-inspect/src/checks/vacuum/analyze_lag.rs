//! B05: the planner's statistics are of today.

use super::size;
use super::vacuum_lag::name_of;
use crate::autovacuum::{AUTOVACUUM, Candidate, Kind};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const WITHOUT: Threshold = Threshold {
    name: "analyze_lag_warn",
    default: 3_600.0,
    unit: "s",
    meaning: "a table that is past its limit of changed rows and had no analyze for longer is a warning",
};

const LEAST: Threshold = Threshold {
    name: "never_analyzed_warn",
    default: 1.0,
    unit: "MB",
    meaning: "a table that is larger and was never analyzed is a warning, whatever was counted",
};

pub(super) const B05: Check = Check {
    id: "B05",
    title: "Every table was analyzed since much of it changed",
    why: "the planner takes what it knows of a table for true: old numbers bring nested loops over millions of rows",
    ask: &[AUTOVACUUM],
    needs_primary: true,
    thresholds: &[WITHOUT, LEAST],
    read: |answers, _, thresholds| {
        let mut found = Vec::new();
        for row in answers.rows().filter(|row| row.has("autovacuum_kind")) {
            found.extend(judge(&Candidate::of(row)?, thresholds));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(table: &Candidate, thresholds: &Thresholds) -> Option<Finding> {
    let (without, least) = (thresholds.get(&WITHOUT), thresholds.get(&LEAST));
    let limit = table.limits.modified(table.rows);
    let bytes = table.bytes.unwrap_or_default() as f64;
    let why = if table.limits.enabled { "" } else { "; autovacuum is off for it" };
    let (state, value) = match table.kind {
        Kind::Toast => return None,
        Kind::Partitioned if table.rows < 0.0 && table.part_rows > 0.0 => (
            State::Info,
            format!(
                "it was never analyzed; its partitions have about {} rows, and autovacuum analyzes only those",
                table.part_rows
            ),
        ),
        Kind::Partitioned => return None,
        Kind::Table if table.rows < 0.0 && (table.modified > limit || bytes > least * 1_048_576.0) => (
            State::Warn,
            format!("it was never analyzed; it has {} and {} changed rows{why}", size(bytes), table.modified),
        ),
        Kind::Table => {
            let is_recent = table.analyzed.is_some_and(|ago| ago.as_secs_f64() < without);
            if table.modified <= limit || is_recent {
                return None;
            }
            let last = match table.analyzed {
                Some(ago) => format!("the last analyze was {} hours ago", ago.as_secs() / 3_600),
                None => "no analyze is on record".to_owned(),
            };
            (
                State::Warn,
                format!(
                    "{} rows changed, where autovacuum analyzes after {limit}; {last}{why}",
                    table.modified
                ),
            )
        }
    };
    Some(
        Finding::new(state, name_of(table), value)
            .source("pg_stat_all_tables, pg_class.reltuples")
            .threshold(format!("past autovacuum's own limit for at most {without} s"))
            .remedy(Remedy::for_good(format!("ANALYZE {}", table.table()))),
    )
}
