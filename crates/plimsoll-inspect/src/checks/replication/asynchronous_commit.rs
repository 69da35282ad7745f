//! R04: what is committed stays committed.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::Subject;

const SETTING: &str = "synchronous_commit";

pub(super) const R04: Check = Check {
    id: "R04",
    title: "What the application was told is committed survives a crash",
    why: "with it off the server answers a COMMIT before the commit is on disk, and a crash loses what was \
     acknowledged",
    ask: &[ROLE_SETTINGS, SERVER_SETTINGS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let (settings, server) = (role_settings::read(answers)?, ServerSettings::read(answers)?);
    let skipped = |why| Ok(vec![Finding::skipped(subject.the_role(), why)]);
    let Some(setting) = settings.get(SETTING) else {
        return skipped(format!("this server has no {SETTING}"));
    };
    let Some(text) = setting.text.as_deref() else {
        return skipped(format!("{SETTING} is {}", setting.source));
    };
    let has_standbys =
        server.get("synchronous_standby_names").is_some_and(|names| !names.value.trim().is_empty());
    let (state, means) = match text {
        "local" if has_standbys => {
            (State::Warn, ", so the loss of this server loses commits that no standby has")
        }
        _ if setting.is_on() == Some(false) => (State::Crit, ", so a crash loses the last commits"),
        _ => return Ok(Vec::new()),
    };
    Ok(vec![
        Finding::new(state, subject.the_role(), format!("{SETTING} is {text}{means}"))
            .source(setting.source.as_str())
            .threshold("on, or stronger")
            .remedy(server.set(setting, "on", subject)),
    ])
}
