//! B05: the planner's statistics are of today.

use super::size;
use super::vacuum_lag::{cause, name_of};
use crate::autovacuum::{AUTOVACUUM, Candidate, Kind};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const WITHOUT: Threshold = Threshold {
    name: "analyze_lag_warn",
    default: 3_600.0,
    unit: "s",
    meaning: "a table that is past its limit of changed rows and had no analyze for longer is a warning; counters that are younger tell none",
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
    read: |answers, subject, thresholds| {
        let mut found = Vec::new();
        let mut in_time = InTime::default();
        for row in answers.rows().filter(|row| row.has("autovacuum_kind")) {
            let table = Candidate::of(row)?;
            match may_come_in_time(&table, thresholds) {
                Some(age) => in_time.add(&table, age),
                None => found.extend(judge(&table, thresholds)),
            }
        }
        found.extend(in_time.finding(&subject.database));
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

/// Tables that are past their limit, where autovacuum had no time yet.
#[derive(Default)]
struct InTime {
    tables: u64,
    age: f64,
    example: String,
}

impl InTime {
    fn add(&mut self, table: &Candidate, age: f64) {
        // Each new database changes catalogs, and autovacuum takes those as well.
        if table.of_system {
            return;
        }
        if self.tables == 0 {
            self.example = name_of(table);
        }
        self.tables += 1;
        self.age = age;
    }

    /// They are told once, together: of a database that was made just now it is as it should be.
    fn finding(self, database: &str) -> Option<Finding> {
        let InTime { tables, age, example } = self;
        let whose = match tables {
            0 => return None,
            1 => format!("{example} is past its limit of changed rows"),
            more => format!("{more} tables are past their limit of changed rows ({example} first)"),
        };
        let why = format!(
            "{whose}, and what is counted goes back {:.0} minutes only, in which autovacuum may not have come yet",
            age / 60.0
        );
        Some(Finding::skipped(format!("database {database}"), why))
    }
}

/// For how long there have been counters, if a table is past its limit and autovacuum will take it by itself. What was never analyzed and
/// has no counted change is not among them: after an upgrade or a crash autovacuum does not know of it.
fn may_come_in_time(table: &Candidate, thresholds: &Thresholds) -> Option<f64> {
    let is_due = table.kind == Kind::Table
        && table.limits.enabled
        && table.analyzed.is_none()
        && table.modified > table.limits.modified(table.rows);
    let age = table.reset.into_iter().chain(table.up).map(|age| age.as_secs_f64()).reduce(f64::min)?;
    (is_due && age < thresholds.get(&WITHOUT)).then_some(age)
}

fn judge(table: &Candidate, thresholds: &Thresholds) -> Option<Finding> {
    let (without, least) = (thresholds.get(&WITHOUT), thresholds.get(&LEAST));
    let limit = table.limits.modified(table.rows);
    let bytes = table.bytes.unwrap_or_default() as f64;
    let why = cause(table, thresholds);
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
