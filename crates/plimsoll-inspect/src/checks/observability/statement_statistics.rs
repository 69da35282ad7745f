//! O01: the server counts what its statements take.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Effect, Finding, Remedy, State};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::{Subject, literal};
use crate::statements::{COLLECTED, Collecting, Gap};

const SUBJECT: &str = "pg_stat_statements";
const LIBRARIES: &str = "shared_preload_libraries";

const FORGOTTEN: Threshold = Threshold {
    name: "statements_forgotten_warn",
    default: 1.0,
    unit: "per hour",
    meaning: "having to forget the rarest statements more often is a warning",
};

pub(super) const O01: Check = Check {
    id: "O01",
    title: "The server counts what its statements take, with room for all of them",
    why: "without it nothing tells which statement a busy server is busy with, neither now nor afterwards",
    ask: &[COLLECTED, SERVER_SETTINGS, include_str!("statement_statistics.sql")],
    thresholds: &[FORGOTTEN],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let collecting = Collecting::of(answers.rows())?;
    let server = ServerSettings::read(answers)?;
    if let Some(gap) = collecting.remedy() {
        let said = gap.to_string();
        let what = said.split_once(": ").map_or(said.as_str(), |(what, _)| what);
        return Ok(vec![
            Finding::new(State::Warn, SUBJECT, what)
                .source("pg_extension, pg_settings")
                .threshold("loaded, installed in this database, and collecting")
                .remedy(remedy(&gap, &server)),
        ]);
    }
    forgotten(answers, &collecting, &server, thresholds)
}

fn forgotten(
    answers: &Answers<'_>,
    collecting: &Collecting,
    server: &ServerSettings,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let Some(row) = answers.rows().find(|row| row.has("times_forgotten")) else {
        return Ok(vec![Finding::skipped(SUBJECT, "it does not tell whether it had to forget statements")]);
    };
    let times = row.number::<f64>("times_forgotten")?.unwrap_or_default();
    let hours = row.number::<f64>("collected_seconds")?.unwrap_or_default().max(1.0) / 3_600.0;
    let most = thresholds.get(&FORGOTTEN);
    let state = match times {
        0.0 => return Ok(Vec::new()),
        times if times / hours > most => State::Warn,
        _ => State::Info,
    };
    let room = collecting.room.unwrap_or_default();
    let value = format!(
        "it has room for {room} statements and forgot the rarest {times:.0} times in {hours:.1} hours: \
         those are in no list"
    );
    let finding = Finding::new(state, SUBJECT, value)
        .source("pg_stat_statements_info.dealloc")
        .threshold(format!("never; at most {most} times an hour is no warning"));
    Ok(vec![match server.get("pg_stat_statements.max") {
        Some(max) => finding.remedy(max.set(&(room * 2).to_string(), Effect::Restart)),
        None => finding,
    }])
}

fn remedy(gap: &Gap, server: &ServerSettings) -> Remedy {
    const EXTENSION: &str = "EXTENSION pg_stat_statements";
    match (gap, server.get(LIBRARIES), server.get("pg_stat_statements.track")) {
        (Gap::NotInstalled, ..) => Remedy::now(format!("CREATE {EXTENSION}"), format!("DROP {EXTENSION}")),
        (Gap::TooOld { .. }, ..) => Remedy::for_good(format!("ALTER {EXTENSION} UPDATE")),
        (Gap::SwitchedOff, _, Some(track)) => track.set("'top'", Effect::Reload),
        // Where the libraries that are there already are hidden, setting this one would drop them.
        (Gap::NotLoaded, Some(libraries), _) => {
            let all = libraries.elements().chain(["pg_stat_statements"]).map(literal);
            libraries.set(&all.collect::<Vec<_>>().join(", "), Effect::Restart)
        }
        _ => Remedy::advice(gap.to_string()),
    }
}
