//! O07: the server runs what is configured and what is cared for.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::Subject;

const BEHIND: Threshold = Threshold {
    name: "minor_releases_behind_warn",
    default: 0.0,
    unit: "",
    meaning: "being more minor releases behind is a warning",
};

const ENDS: Threshold = Threshold {
    name: "end_of_life_info",
    default: 180.0,
    unit: "d",
    meaning: "an end of the version's support that is nearer is told; one that is past is a warning",
};

pub(super) const O07: Check = Check {
    id: "O07",
    title: "The server runs the settings that are configured, in a version that is supported and up to date",
    why: "a setting that waits for a restart surprises at the next one, and errors that a minor release \
     repairs are found in versions without it",
    ask: &[SERVER_SETTINGS, include_str!("restart.sql")],
    thresholds: &[BEHIND, ENDS],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let server = ServerSettings::read(answers)?;
    let waiting = server.iter().filter(|setting| setting.waits_for_restart);
    let mut found: Vec<_> = waiting
        .map(|setting| {
            Finding::new(
                State::Warn,
                format!("setting {}", setting.name),
                format!(
                    "{} is {:?}, and another value is configured that counts after a restart",
                    setting.name, setting.value
                ),
            )
            .source("pg_settings.pending_restart")
            .threshold("nothing waits for a restart")
            .remedy(Remedy::advice(
                "restart the server, or take the change back: pg_file_settings shows the value that waits",
            ))
        })
        .collect();
    if !subject.monitors {
        found.push(Finding::skipped(
            "settings that are hidden",
            "whether one waits for a restart shows only to a role with the rights of pg_monitor",
        ));
    }
    found.extend(version(answers, subject, thresholds)?);
    Ok(found)
}

fn version(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let Some(row) = answers.rows().find(|row| row.has("latest_minor")) else {
        return Ok(vec![Finding::skipped(
            "version",
            format!("nothing is known here of the support for PostgreSQL {}", subject.major()),
        )]);
    };
    let mut found = Vec::new();
    let (major, text) = (subject.major(), &subject.version_text);
    let minor: f64 = row.number("minor")?.unwrap_or_default();
    let latest: f64 = row.number("latest_minor")?.unwrap_or_default();
    let behind = latest - minor;
    if behind > thresholds.get(&BEHIND) {
        found.push(finding(
            State::Warn,
            "version",
            format!("the server is {text}, {behind} minor releases behind {major}.{latest}"),
            format!(
                "{major}.{latest}, the newest that is known here (end of November 2026), or one after it"
            ),
            format!(
                "install {major}.{latest} or newer and restart the server: a minor release changes no data"
            ),
        ));
    }
    let (days, ends_on) =
        (row.number::<f64>("days_left")?.unwrap_or_default(), row.text("ends_on")?.unwrap_or_default());
    let state = match days {
        days if days < 0.0 => State::Warn,
        days if days <= thresholds.get(&ENDS) => State::Info,
        _ => return Ok(found),
    };
    let when = if state == State::Warn { "ended" } else { "ends" };
    found.push(finding(
        state,
        "end of life",
        format!(
            "support for PostgreSQL {major} {when} on {ends_on}: no errors are repaired after it, those \
             of security included"
        ),
        format!("more than {} days of support", thresholds.get(&ENDS)),
        "plan the upgrade to a newer major version (pg_upgrade, or logical replication)".to_owned(),
    ));
    Ok(found)
}

fn finding(state: State, subject: &str, value: String, threshold: String, advice: String) -> Finding {
    Finding::new(state, subject, value)
        .source("server_version")
        .threshold(threshold)
        .remedy(Remedy::advice(advice))
}
