//! O02: waits for locks are in the log.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS, set_all};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::setting_value::time;
use crate::checks::subject::Subject;

pub(super) const O02: Check = Check {
    id: "O02",
    title: "Waits for locks are in the server's log",
    why: "a pile-up of waiting sessions is over when somebody looks, and only the log tells afterwards who \
     kept the lock",
    ask: &[ROLE_SETTINGS, SERVER_SETTINGS],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let (settings, server) = (role_settings::read(answers)?, ServerSettings::read(answers)?);
    let skipped = |name: &str| Finding::skipped(format!("setting {name}"), format!("{name} cannot be known"));
    let mut found = Vec::new();
    match settings.get("log_lock_waits").and_then(|log| log.is_on().map(|is_on| (log, is_on))) {
        None => found.push(skipped("log_lock_waits")),
        Some((_, true)) => {}
        Some((log, false)) => found.push(
            Finding::new(
                State::Warn,
                "setting log_lock_waits",
                format!("log_lock_waits is off for {}: no wait for a lock is logged", subject.the_role()),
            )
            .source(log.source.as_str())
            .threshold("on")
            .remedy(server.set(log, "on", subject)),
        ),
    }
    let numbers = |name| settings.get(name).and_then(|setting| Some((setting, setting.number()?)));
    match (numbers("deadlock_timeout"), numbers("lock_timeout")) {
        (Some((deadlock, looks)), Some((lock, waits))) if waits > 0.0 && looks >= waits => found.push(
            Finding::new(
                State::Warn,
                "setting deadlock_timeout",
                format!(
                    "a wait is logged after {looks} ms (deadlock_timeout), and {} gives up after {waits} ms \
                     (lock_timeout): none is logged",
                    subject.the_role()
                ),
            )
            .source(format!("{}, lock_timeout: {}", deadlock.source, lock.source))
            .threshold("deadlock_timeout shorter than lock_timeout")
            .remedy(set_all([(deadlock, time((waits / 2.0).floor().max(1.0)))], subject)),
        ),
        (Some(_), Some(_)) => {}
        (None, _) => found.push(skipped("deadlock_timeout")),
        (_, None) => found.push(skipped("lock_timeout")),
    }
    Ok(found)
}
