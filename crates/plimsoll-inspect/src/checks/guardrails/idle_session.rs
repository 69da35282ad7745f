//! G06: the server does not close sessions that a pool still counts on.

use super::limit::{self, Limits};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, State};
use crate::checks::role_settings::set_all;
use crate::checks::setting_value::time;
use crate::checks::subject::Subject;

const POOL_IDLE: Threshold = Threshold {
    name: "pool_idle",
    default: 600.0,
    unit: "s",
    meaning: "how long the application's pool, or a PgBouncer (server_idle_timeout), keeps a session that is idle",
};

const POOL_LOOKS: Threshold = Threshold {
    name: "pool_looks",
    default: 30.0,
    unit: "s",
    meaning: "how often the pool looks for sessions that were idle for that long",
};

pub(super) const G06: Check = Check {
    id: "G06",
    title: "The server does not close sessions that a pool still counts on",
    why: "a session that the server closes while it lies in a pool fails the next request that is given it",
    ask: limit::ASK,
    needs_role: true,
    thresholds: &[POOL_IDLE, POOL_LOOKS],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let limits = Limits::read(answers)?;
    let (setting, millis) = match limits.known("idle_session_timeout", subject) {
        Ok(known) => known,
        Err(skipped) => return Ok(vec![*skipped]),
    };
    let (idle, looks) = (thresholds.get(&POOL_IDLE), thresholds.get(&POOL_LOOKS));
    let kept = idle + looks;
    let is_too_short = millis > 0.0 && millis <= kept * 1_000.0;
    let state = if is_too_short { State::Crit } else { State::Ok };
    let finding = Finding::new(
        state,
        subject.the_role(),
        format!("idle_session_timeout is {}", setting.shown()),
    )
    .source(setting.source.as_str())
    .threshold(format!(
        "0, or above {kept} s: what is idle for {idle} s is closed by the pool, which looks every {looks} s"
    ));
    Ok(vec![match state {
        State::Ok => finding,
        _ => finding.remedy(set_all([(setting, time((kept + 60.0).ceil() * 1_000.0))], subject)),
    }])
}
