//! R05: the server writes so that a crash of the machine loses nothing.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Effect, Finding, Remedy, State};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::Subject;

/// What each setting guards against.
const SETTINGS: [(&str, State, &str); 3] = [
    ("fsync", State::Crit, "a crash of the machine can leave the whole cluster broken"),
    (
        "full_page_writes",
        State::Crit,
        "a crash of the machine can leave pages that are half old and half new, unless the file system \
         writes whole pages",
    ),
    ("data_checksums", State::Info, "a page that the disk has changed is read as if it were right"),
];

pub(super) const R05: Check = Check {
    id: "R05",
    title: "The server's files survive a crash of the machine",
    why: "a database that was not written as it should be is found broken only after the crash, and then \
     only a backup helps",
    ask: &[SERVER_SETTINGS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let server = ServerSettings::read(answers)?;
    let mut found = Vec::new();
    for (name, state, means) in SETTINGS {
        let subject = format!("setting {name}");
        let Some(setting) = server.get(name) else {
            found.push(Finding::skipped(subject, "it is hidden"));
            continue;
        };
        if setting.value != "off" {
            continue;
        }
        let remedy = match name {
            "data_checksums" => Remedy::advice(
                "stop the server cleanly and run pg_checksums --enable on its data folder, which reads and \
                 writes all of it",
            ),
            _ => setting.set("'on'", Effect::Reload),
        };
        found.push(
            Finding::new(state, subject, format!("{name} is off: {means}"))
                .source(setting.source.as_str())
                .threshold("on")
                .remedy(remedy),
        );
    }
    Ok(found)
}
