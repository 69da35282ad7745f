//! C09: the pooler refuses limits that it does not pass on.

use super::pooler::{CONFIG, Config, POOLER};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Place, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;

/// Startup parameters that are limits, or carry them.
const LIMITS: [&str; 8] = [
    "options",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "idle_session_timeout",
    "client_connection_check_interval",
    "tcp_user_timeout",
];

pub(super) const C09: Check = Check {
    id: "C09",
    title: "The pooler takes no limit from a client without passing it on",
    why: "the client believes that its statements have a limit, and they have none",
    place: Place::Pooler,
    ask: &[CONFIG],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let config = Config::read(answers)?;
    let Some(ignored) = config.get("ignore_startup_parameters") else {
        return Ok(vec![Finding::skipped(POOLER, "this pooler has no ignore_startup_parameters")]);
    };
    let names = ignored.split([',', ' ']).filter(|name| LIMITS.contains(&name.to_ascii_lowercase().as_str()));
    let hidden: Vec<_> = names.collect();
    if hidden.is_empty() {
        return Ok(Vec::new());
    }
    let hidden = hidden.join(", ");
    Ok(vec![
        Finding::new(
            State::Crit,
            POOLER,
            format!("ignore_startup_parameters has {hidden}: what a client sends there is thrown away without a word"),
        )
        .source(CONFIG)
        .threshold("no parameter that is, or carries, a limit")
        .remedy(Remedy::advice(format!(
            "set the limits for the role, where they hold behind a pooler (ALTER ROLE .. SET: checks G02 to G05 have the \
             statements); then take {hidden} out of ignore_startup_parameters, so that a client that sends a limit is refused"
        ))),
    ])
}
