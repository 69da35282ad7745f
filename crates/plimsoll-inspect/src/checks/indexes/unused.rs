//! I03: each index is used.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};
use crate::checks::size::{MEGABYTE, size};
use crate::checks::subject::Subject;
use crate::indexes::{INDEXES, Index, Indexes, UNUSED_DAYS, remedy};
use std::collections::BTreeMap;

const DAY: f64 = 86_400.0;

const AGE: Threshold = Threshold {
    name: "unused_index_statistics",
    default: UNUSED_DAYS as f64,
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
    ask: &[include_str!("unused.sql"), INDEXES],
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
    let others = Others::of(answers)?;
    for row in answers.rows().filter(|row| row.has("statistics_seconds")) {
        seconds = row.number::<f64>("statistics_seconds")?;
        let bytes = row.number::<f64>("bytes")?.unwrap_or_default();
        if row.text("unused_index")?.is_some() && bytes >= thresholds.get(&SMALLEST) * MEGABYTE {
            let state = if bytes > thresholds.get(&LARGE) * MEGABYTE { State::Warn } else { State::Info };
            let days = seconds.unwrap_or_default() / DAY;
            found.push(finding(row, state, days, &others)?.threshold(format!(
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
        Some(seconds) if seconds < DAY => format!("for {:.0} minutes", seconds / 60.0),
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

/// The indexes that do the work of others, by the name of the one that goes first.
struct Others(BTreeMap<String, String>);

impl Others {
    fn of(answers: &Answers<'_>) -> Result<Self, Unreadable> {
        let indexes = Indexes::of(answers.rows())?.indexes;
        let pairs = indexes.into_iter().filter_map(|index| Some((index.name, index.covered_by?)));
        Ok(Others(pairs.collect()))
    }

    /// Of indexes that do the same work one stays until it is known to be unused alone.
    fn speak_against_a_drop(&self, name: &str) -> Option<String> {
        let goes_first = self.0.iter().find(|(_, stays)| *stays == name).map(|(goes, _)| goes);
        match (self.0.get(name), goes_first) {
            (Some(other), _) => {
                Some(format!("{other} does the same work: check I02 has the statement that drops this one"))
            }
            (None, Some(goes)) => Some(format!(
                "it does the work of {goes} too, which goes first (check I02); look again when that is gone"
            )),
            (None, None) => None,
        }
    }
}

fn finding(row: Row<'_>, state: State, days: f64, others: &Others) -> Result<Finding, Unreadable> {
    let name = row.text("unused_index")?.unwrap_or_default();
    let table = row.text("table_name")?.unwrap_or_default();
    let shown = size(row.number::<f64>("bytes")?.unwrap_or_default());
    let mut value = format!(
        "no scan on this server has used the index of {table} ({shown}) in the {days:.0} days of its \
         statistics, unless it is younger than that"
    );
    let standbys = row.number::<u64>("standbys")?.unwrap_or_default();
    if standbys == 0 {
        value.push_str("; a standby's own use of it does not show here");
    }
    if row.flag("is_of_expression")? {
        value.push_str(
            "; ANALYZE collects statistics of its expression for the planner, which would go with it",
        );
    }
    let text = |column| row.text(column).map(|text| text.map(str::to_owned));
    let index = Index {
        name: name.to_owned(),
        definition: text("definition")?,
        tablespace: text("tablespace")?,
        is_partitioned: row.flag("is_partitioned")?,
        ..Index::default()
    };
    let remedy = match (others.speak_against_a_drop(name), standbys) {
        (Some(why), _) => Remedy::advice(why),
        (None, 0) => remedy::drop(&index),
        (None, standbys) => Remedy::advice(format!(
            "{standbys} standbys follow this server, and what their queries use does not show here: ask them first \
             (pg_stat_user_indexes there)"
        )),
    };
    Ok(Finding::new(state, format!("index {name}"), value)
        .source("pg_stat_user_indexes.idx_scan")
        .remedy(remedy))
}
