//! B04: autovacuum keeps up.
//!
//! A table past its limit is due, which is as it should be; one that is far past it and had no vacuum for a day is left behind: its
//! autovacuum is off, is cancelled by statements that want its lock, or its workers are busy elsewhere.

use crate::autovacuum::{AUTOVACUUM, Candidate, Kind, LONG_NAP};
use crate::checks::check::{Check, Threshold, Thresholds};
use crate::checks::finding::{Effect, Finding, Remedy, State, worst_first};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::setting_value::time;
use crate::checks::subject::literal;

const FACTOR: Threshold = Threshold {
    name: "vacuum_lag_factor",
    default: 2.0,
    unit: "",
    meaning: "so many times autovacuum's own limit of dead rows are a warning; of inserted rows, the limit itself",
};

const WITHOUT: Threshold = Threshold {
    name: "vacuum_lag_warn",
    default: 86_400.0,
    unit: "s",
    meaning: "a table that is past its limit and had no vacuum for longer is a warning",
};

const LATE: Threshold = Threshold {
    name: "vacuum_limit_rows",
    default: 10_000_000.0,
    unit: "rows",
    meaning: "a limit that lets more dead rows gather is worth knowing",
};

const NAP: Threshold = Threshold {
    name: "autovacuum_naptime_warn",
    default: LONG_NAP as f64,
    unit: "s",
    meaning: "an autovacuum_naptime that is longer is a warning: autovacuum looks at each database that seldom",
};

pub(super) const B04: Check = Check {
    id: "B04",
    title: "Autovacuum keeps up",
    why: "dead rows that are not removed make tables and indexes grow and every read of them slower",
    ask: &[AUTOVACUUM],
    ask_if_known: &[SERVER_SETTINGS],
    needs_primary: true,
    thresholds: &[FACTOR, WITHOUT, LATE, NAP],
    read: |answers, subject, thresholds| {
        let mut found = Vec::new();
        let mut reset = None;
        for row in answers.rows().filter(|row| row.has("autovacuum_kind")) {
            let table = Candidate::of(row)?;
            reset = table.reset;
            found.extend(behind(&table, thresholds).or_else(|| late(&table, thresholds)));
        }
        found.extend(rests(&ServerSettings::read(answers)?, thresholds));
        let young = reset.filter(|age| age.as_secs_f64() < thresholds.get(&WITHOUT));
        if let (true, Some(age)) = (found.is_empty(), young) {
            let why = format!(
                "nothing is behind so far, but the counters began {} minutes ago",
                age.as_secs() / 60
            );
            return Ok(vec![Finding::skipped(format!("database {}", subject.database), why)]);
        }
        Ok(worst_first(found))
    },
    ..Check::USUAL
};

pub(super) fn name_of(table: &Candidate) -> String {
    match &table.owner {
        Some(owner) => format!("TOAST of table {owner}"),
        None => format!("table {}", table.name),
    }
}

fn behind(table: &Candidate, thresholds: &Thresholds) -> Option<Finding> {
    let (factor, without) = (thresholds.get(&FACTOR), thresholds.get(&WITHOUT));
    if table.kind == Kind::Partitioned || table.vacuumed.is_some_and(|ago| ago.as_secs_f64() < without) {
        return None;
    }
    let limit = table.limits.dead(table.rows);
    let inserts = table.inserted_limit();
    let by_dead = f64::from(table.dead) > f64::from(limit) * factor;
    if !by_dead && inserts.is_none_or(|limit| table.inserted <= limit) {
        return None;
    }
    let last = match table.vacuumed {
        Some(ago) => format!("the last vacuum was {} hours ago", ago.as_secs() / 3_600),
        None => "no vacuum is on record".to_owned(),
    };
    let why = cause(table, thresholds);
    let value = match by_dead {
        true => format!("{} dead rows, where autovacuum comes after {limit}; {last}{why}", table.dead),
        false => format!(
            "{} rows inserted, where autovacuum comes after {}; {last}{why}",
            table.inserted, inserts?
        ),
    };
    Some(
        Finding::new(State::Warn, name_of(table), value)
            .source("pg_stat_all_tables, pg_class.reloptions")
            .threshold(format!(
                "at most {factor} times the limit of dead rows, or a vacuum within {without} s"
            ))
            .remedy(Remedy::for_good(format!("VACUUM {}", table.table()))),
    )
}

/// Why autovacuum has not come, where that is known.
pub(super) fn cause(table: &Candidate, thresholds: &Thresholds) -> String {
    if !table.limits.enabled {
        return "; autovacuum is off for it".to_owned();
    }
    let nap = table.naptime.map(|nap| nap.as_secs_f64() * 1_000.0);
    let long = nap.filter(|millis| *millis > thresholds.get(&NAP) * 1_000.0);
    long.map(|millis| format!("; autovacuum_naptime is {}", time(millis))).unwrap_or_default()
}

/// Autovacuum that looks seldom is behind everywhere, sooner or later.
fn rests(settings: &ServerSettings, thresholds: &Thresholds) -> Option<Finding> {
    const NAPTIME: &str = "autovacuum_naptime";
    let (setting, most) = (settings.get(NAPTIME)?, thresholds.get(&NAP));
    let seconds: f64 = setting.value.parse().ok()?;
    let written = time(seconds * 1_000.0);
    (seconds > most).then(|| {
        Finding::new(
            State::Warn,
            format!("setting {NAPTIME}"),
            format!("it is {written}, so a table that is past its limit is taken that much later"),
        )
        .source(&setting.source)
        .threshold(format!("at most {most} s"))
        .remedy(setting.set(&literal("1min"), Effect::Reload))
    })
}

/// A table so large that a fifth of it is too much.
fn late(table: &Candidate, thresholds: &Thresholds) -> Option<Finding> {
    const OPTION: &str = "autovacuum_vacuum_scale_factor";
    let most = thresholds.get(&LATE);
    let limit = f64::from(table.limits.dead(table.rows));
    if table.kind != Kind::Table || table.of_system || limit <= most {
        return None;
    }
    // A tenth of what it is now, or less where that is still too much.
    let now = f64::from(table.limits.vacuum_scale_factor);
    let room = (most - f64::from(table.limits.vacuum_threshold)).max(0.0);
    let wanted = (room / f64::from(table.rows.max(1.0))).min(now / 10.0).min(0.02);
    let wanted = (wanted * 10_000.0).floor() / 10_000.0;
    let name = table.table();
    let undo = match table.options.text(OPTION) {
        Some(own) => format!("ALTER TABLE {name} SET ({OPTION} = {own})"),
        None => format!("ALTER TABLE {name} RESET ({OPTION})"),
    };
    Some(
        Finding::new(
            State::Info,
            name_of(table),
            format!("autovacuum comes after {limit} dead rows of about {}", table.rows),
        )
        .source("pg_class.reloptions, pg_settings")
        .threshold(format!("at most {most} dead rows"))
        .remedy(Remedy::now(format!("ALTER TABLE {name} SET ({OPTION} = {wanted})"), undo)),
    )
}
