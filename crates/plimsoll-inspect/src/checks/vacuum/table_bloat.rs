//! B07: no table is mostly waste.

use super::size;
use crate::bloat::tables::{TABLE_BLOAT, Table};
use crate::bloat::{self, Estimate, Unknown};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const WARN: Threshold = Threshold {
    name: "table_bloat_warn",
    default: bloat::TABLE_WARN,
    unit: "%",
    meaning: "a larger share of waste in a table is a warning, if it is also more than table_bloat_warn_mb",
};

const WARN_MB: Threshold = Threshold {
    name: "table_bloat_warn_mb",
    default: bloat::WARN_MB,
    unit: "MB",
    meaning: "waste in a table below this is left alone; a table that is smaller is not looked at",
};

const CRIT: Threshold = Threshold {
    name: "table_bloat_crit",
    default: bloat::CRIT,
    unit: "%",
    meaning: "a larger share of waste in a table makes trouble, if it is also more than table_bloat_crit_mb",
};

const CRIT_MB: Threshold = Threshold {
    name: "table_bloat_crit_mb",
    default: bloat::CRIT_MB,
    unit: "MB",
    meaning: "the amount of waste for table_bloat_crit",
};

const MB: f64 = 1_048_576.0;

pub(super) const B07: Check = Check {
    id: "B07",
    title: "No table is mostly waste",
    why: "every scan, backup and copy of the table carries the waste along, and the cache is filled with it",
    ask: &[TABLE_BLOAT],
    thresholds: &[WARN, WARN_MB, CRIT, CRIT_MB],
    read: |answers, subject, thresholds| {
        let least = thresholds.get(&WARN_MB) * MB;
        let tables: Vec<Table> =
            answers.rows().filter(|row| row.has("bloat_kind")).map(Table::of).collect::<Result<_, _>>()?;
        let large = tables.iter().filter(|table| table.bytes() > least);
        let mut found: Vec<Finding> = large.filter_map(|table| judge(table, thresholds)).collect();
        let smallest = tables.last().map(|table| (table.bytes(), table.considered));
        found.extend(not_looked_at("tables", tables.len(), smallest, least));
        if found.is_empty() {
            let sizes = tables.iter().map(Table::bytes);
            found.extend(none_large_enough("table", sizes, least, &subject.database));
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

fn judge(table: &Table, thresholds: &Thresholds) -> Option<Finding> {
    let (subject, name) = match &table.owner {
        Some(owner) => (format!("TOAST of table {owner}"), owner),
        None => (format!("table {}", table.name), &table.name),
    };
    let estimate = match table.estimate() {
        Ok(estimate) => estimate,
        Err(why) => return Some(unknown(&subject, table.bytes(), &why, name)),
    };
    let state = match state(estimate, thresholds) {
        // At least so much is no answer where it is little.
        None if estimate.at_least => {
            let why = format!(
                "{} in size, at least {:.0} % of it waste, {}: what it is exactly tells pgstattuple('{}')",
                size(estimate.bytes),
                estimate.waste * 100.0,
                table.method(),
                table.name
            );
            return Some(Finding::skipped(subject, why));
        }
        None => return None,
        Some(state) => state,
    };
    let value = format!(
        "{} of {} are waste, {}{:.0} %, {}; VACUUM FULL locks the table even for readers while it is rewritten, pg_repack only for moments",
        size(estimate.wasted_bytes()),
        size(estimate.bytes),
        if estimate.at_least { "at least " } else { "" },
        estimate.waste * 100.0,
        table.method()
    );
    Some(
        Finding::new(state, subject, value)
            .source("pg_class, pg_stats")
            .threshold(limits(thresholds))
            .remedy(Remedy::for_good(format!("VACUUM (FULL, ANALYZE) {name}"))),
    )
}

fn state(estimate: Estimate, thresholds: &Thresholds) -> Option<State> {
    let is_over = |share: &Threshold, amount: &Threshold| {
        estimate.waste * 100.0 > thresholds.get(share)
            && estimate.wasted_bytes() > thresholds.get(amount) * MB
    };
    match (is_over(&CRIT, &CRIT_MB), is_over(&WARN, &WARN_MB)) {
        (true, _) => Some(State::Crit),
        (false, true) => Some(State::Warn),
        (false, false) => None,
    }
}

fn limits(thresholds: &Thresholds) -> String {
    let of = |threshold: &Threshold| thresholds.get(threshold);
    format!(
        "at most {} % and {} MB; {} % and {} MB make trouble",
        of(&WARN),
        of(&WARN_MB),
        of(&CRIT),
        of(&CRIT_MB)
    )
}

/// That there are more than were looked at, if those could be large enough to matter.
pub(super) fn not_looked_at(
    what: &str,
    looked_at: usize,
    smallest: Option<(f64, u64)>,
    least: f64,
) -> Option<Finding> {
    let (bytes, considered) = smallest?;
    let more = considered.saturating_sub(looked_at as u64);
    (more > 0 && bytes > least).then(|| {
        Finding::skipped(
            what,
            format!("only the {looked_at} largest were looked at; {more} more may have {} each", size(bytes)),
        )
    })
}

/// That all is well because none is large enough to be looked at, if that is so.
pub(super) fn none_large_enough(
    what: &str,
    sizes: impl Iterator<Item = f64>,
    least: f64,
    database: &str,
) -> Option<Finding> {
    let largest = sizes.reduce(f64::max);
    let value = match largest {
        None => format!("there is no {what} with any rows"),
        Some(largest) => format!(
            "the largest {what} has {}, and none is looked at that has less than {}",
            size(largest),
            size(least)
        ),
    };
    largest
        .is_none_or(|largest| largest <= least)
        .then(|| Finding::new(State::Ok, format!("database {database}"), value).source("pg_class.relpages"))
}

/// What is not known, with what would help.
pub(super) fn unknown(subject: &str, bytes: f64, why: &Unknown, table: &str) -> Finding {
    let finding = Finding::skipped(subject, format!("{} in size, but {why}", size(bytes)));
    match why {
        Unknown::Dead(_) => finding.remedy(Remedy::for_good(format!("VACUUM (ANALYZE) {table}"))),
        // A vacuum of the table takes its TOAST table too; an analyze does not.
        Unknown::NotVacuumed => finding.remedy(Remedy::for_good(format!("VACUUM {table}"))),
        why if why.is_helped_by_analyze() => finding.remedy(Remedy::for_good(format!("ANALYZE {table}"))),
        _ => finding,
    }
}
