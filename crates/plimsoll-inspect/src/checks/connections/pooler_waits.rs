//! C08: the pooler does not keep clients waiting for minutes.

use super::pooler::{CONFIG, Config, POOLER};
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Place, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::Subject;

const WAIT: Threshold = Threshold {
    name: "query_wait_timeout_warn",
    default: 30.0,
    unit: "s",
    meaning: "a longer wait of a client for a connection of the server is a warning",
};

const RETRY: Threshold = Threshold {
    name: "server_login_retry_warn",
    default: 5.0,
    unit: "s",
    meaning: "a longer pause after a refused login at the server is a warning",
};

pub(super) const C08: Check = Check {
    id: "C08",
    title: "The pooler answers a client that gets no connection soon, and tries the server again soon",
    why: "by default a client waits two minutes to hear that there is no connection, and a server that is back stays unused for \
          15 s",
    place: Place::Pooler,
    ask: &[CONFIG],
    thresholds: &[WAIT, RETRY],
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, _: &Subject, thresholds: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let config = Config::read(answers)?;
    let judge = |name: &str, threshold, endless, better| {
        let about = format!("{POOLER} {name}");
        let Some(seconds) = config.number(name) else {
            return Finding::skipped(about, format!("this pooler has no {name}"));
        };
        let longest = thresholds.get(threshold);
        let state = match seconds {
            0.0 => endless,
            seconds if seconds > longest => State::Warn,
            _ => State::Ok,
        };
        let value = match (seconds, endless) {
            (0.0, State::Crit) => format!("{name} is 0: a client waits without an end"),
            _ => format!("{name} is {seconds} s"),
        };
        let finding =
            Finding::new(state, about, value).source(CONFIG).threshold(format!("at most {longest} s"));
        match state {
            State::Ok => finding,
            _ => finding.remedy(Remedy::advice(format!(
                "{name} = {better} in pgbouncer.ini, then RELOAD on the console"
            ))),
        }
    };
    Ok(vec![
        judge("query_wait_timeout", &WAIT, State::Crit, "10"),
        judge("server_login_retry", &RETRY, State::Ok, "1"),
    ])
}
