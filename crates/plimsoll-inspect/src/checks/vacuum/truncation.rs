//! B11: vacuum does not lock a busy table to cut off its empty end.
//!
//! When at least a thousand pages or a sixteenth of a table at its end are empty, vacuum gives them back to the system, for which it
//! needs an ACCESS EXCLUSIVE lock. It does not queue for it: it tries every 50 ms for 5 s, whatever `lock_timeout` says. Once it has
//! the lock it reads the pages backwards, and looks every 20 ms whether another session waits; if one does it stops there. Then the
//! empty pages are cut off and their buffers dropped, with the lock still held. A standby replays the lock and does not give way: it
//! waits until `max_standby_streaming_delay` for queries on the table, then cancels them, and queries that come meanwhile wait
//! behind it. Source: `lazy_truncate_heap` in PostgreSQL's vacuumlazy.c; the server-wide setting came with PostgreSQL 18.

use crate::answer::{Row, Unreadable};
use crate::autovacuum::Options;
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State, worst_first};

const HOT: Threshold = Threshold {
    name: "hot_table_changes",
    default: 10_000.0,
    unit: "rows per hour",
    meaning: "a table that loses or moves more rows an hour is taken for busy",
};

const YOUNGEST: Threshold = Threshold {
    name: "hot_table_counted_for",
    default: 3_600.0,
    unit: "s",
    meaning: "counters that are younger do not tell which tables are busy",
};

pub(super) const B11: Check = Check {
    id: "B11",
    title: "Vacuum does not lock a busy table to cut off its empty end",
    why: "the lock stops every query on the table for as long as it is held, and on a standby it cancels those that run",
    ask: &[include_str!("truncation.sql")],
    needs_primary: true,
    thresholds: &[HOT, YOUNGEST],
    read: |answers, subject, thresholds| {
        let mut found = Vec::new();
        let mut seconds = None;
        for row in answers.rows().filter(|row| row.has("hot_table")) {
            seconds = row.number::<f64>("counted_seconds")?;
            found.extend(judge(row, thresholds)?);
        }
        match seconds {
            Some(seconds) if seconds < thresholds.get(&YOUNGEST) => {
                let why = format!(
                    "the counters are {:.0} minutes old and do not tell yet which tables are busy",
                    seconds / 60.0
                );
                Ok(vec![Finding::skipped(format!("database {}", subject.database), why)])
            }
            _ => Ok(worst_first(found)),
        }
    },
    ..Check::USUAL
};

fn judge(row: Row<'_>, thresholds: &Thresholds) -> Result<Option<Finding>, Unreadable> {
    let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
    let own = row.text("own")?;
    let setting =
        own.or(row.text("of_server")?).map(|text| Options::read(&format!("vacuum_truncate={text}")));
    let is_on = setting.and_then(|setting| setting.is_on("vacuum_truncate")).unwrap_or(true);
    let hours = (number("counted_seconds")? / 3_600.0).max(1.0 / 3_600.0);
    let changes = (number("deleted")? + number("moved")?) / hours;
    let hot = thresholds.get(&HOT);
    if !is_on || changes <= hot {
        return Ok(None);
    }
    let standbys = number("standbys")?;
    let (state, after) = match standbys > 0.0 {
        true => (State::Warn, format!("; {standbys} standbys replay the lock, which cancels their queries")),
        false => (State::Info, String::new()),
    };
    let table = row.text("hot_table")?.unwrap_or_default();
    let value = format!(
        "{} rows were deleted and {} moved by updates, more than {hot} an hour, and vacuum may take ACCESS EXCLUSIVE to cut off its end{after}",
        number("deleted")?,
        number("moved")?
    );
    let mut options = vec![("vacuum_truncate", own)];
    if row.flag("has_toast")? {
        options.push(("toast.vacuum_truncate", row.text("own_toast")?));
    }
    let off: Vec<String> = options.iter().map(|(name, _)| format!("{name} = off")).collect();
    let back = options.iter().map(|(name, own)| match own {
        Some(own) => format!("ALTER TABLE {table} SET ({name} = {own})"),
        None => format!("ALTER TABLE {table} RESET ({name})"),
    });
    Ok(Some(
        Finding::new(state, format!("table {table}"), value)
            .source("pg_stat_all_tables, pg_class.reloptions")
            .threshold(format!("off where more than {hot} rows an hour are deleted or moved"))
            .remedy(Remedy::Sql {
                run: vec![format!("ALTER TABLE {table} SET ({})", off.join(", "))],
                undo: back.collect(),
                effect: crate::checks::finding::Effect::Now,
            }),
    ))
}
