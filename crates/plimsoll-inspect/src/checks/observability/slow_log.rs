//! O03: what takes long is in the log.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::Subject;

const STATEMENT: Threshold = Threshold {
    name: "slow_statement_log_info",
    default: 60.0,
    unit: "s",
    meaning: "a longer log_min_duration_statement is told",
};

const AUTOVACUUM: Threshold = Threshold {
    name: "autovacuum_log_info",
    default: 600.0,
    unit: "s",
    meaning: "a longer log_autovacuum_min_duration is told",
};

/// What is looked at, what it is of, and what the remedy sets.
const SETTINGS: [(&str, &Threshold, &str, &str); 2] = [
    ("log_min_duration_statement", &STATEMENT, "slow statements", "1s"),
    ("log_autovacuum_min_duration", &AUTOVACUUM, "long runs of autovacuum", "1min"),
];

pub(super) const O03: Check = Check {
    id: "O03",
    title: "What takes long is in the server's log",
    why: "statistics tell how long a statement takes on the whole, and only the log tells which call took \
     long, when and with whom",
    ask: &[ROLE_SETTINGS, SERVER_SETTINGS],
    thresholds: &[STATEMENT, AUTOVACUUM],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let (settings, server) = (role_settings::read(answers)?, ServerSettings::read(answers)?);
    let mut found = Vec::new();
    for (name, threshold, what, better) in SETTINGS {
        let about = format!("setting {name}");
        let known = settings.get(name).and_then(|setting| Some((setting, setting.number()?)));
        let Some((setting, millis)) = known else {
            found.push(Finding::skipped(about, format!("{name} cannot be known")));
            continue;
        };
        let longest = thresholds.get(threshold);
        let value = match millis {
            millis if millis < 0.0 => format!("{name} is -1: no {what} are logged"),
            millis if millis > longest * 1_000.0 => {
                format!("{name} is {} s: {what} below that are not logged", millis / 1_000.0)
            }
            _ => continue,
        };
        found.push(
            Finding::new(State::Info, about, value)
                .source(setting.source.as_str())
                .threshold(format!("from 0 to {longest} s"))
                .remedy(server.set(setting, better, subject)),
        );
    }
    Ok(found)
}
