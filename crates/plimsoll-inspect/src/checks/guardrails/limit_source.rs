//! G07: a limit comes from the role, and every session has the same.
//!
//! The settings of other sessions cannot be seen: PostgreSQL shows a session its own. So the session that asks is the sample: if
//! it is one of the application's role, it is held against what is set for the role. If it is another role's, nothing is said.

use super::limit::{self, Limits};
use super::session_limits::SessionLimit;
use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::role_settings::{RoleSetting, set_all};
use crate::checks::setting_value::time;
use crate::checks::subject::Subject;

const NAMES: [&str; 6] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "idle_session_timeout",
    "client_connection_check_interval",
];

pub(super) const G07: Check = Check {
    id: "G07",
    title: "The limits of a session are those of its role, whatever its client or its pooler did",
    why: "a limit that only the client sends is lost behind a pooler, and in every program that does not send it",
    ask: limit::ASK,
    needs_role: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    if subject.login != subject.role {
        return Ok(vec![Finding::skipped(
            subject.the_role(),
            format!(
                "this session is of role {}: its limits tell nothing of those that role {} meets. Connect by the \
                 application's own URL",
                subject.login, subject.role
            ),
        )]);
    }
    let limits = Limits::read(answers)?;
    let pairs = NAMES.into_iter().filter_map(|name| Some((limits.setting(name)?, limits.of_session(name)?)));
    let findings: Vec<_> = pairs.filter_map(|(said, met)| judge(said, met, subject)).collect();
    if findings.is_empty() {
        return Ok(vec![
            Finding::new(
                State::Ok,
                subject.the_role(),
                "this session has the limits that the server gives to its role. What other sessions were sent or SET \
                 shows in them alone",
            )
            .source("pg_settings of this session, pg_db_role_setting"),
        ]);
    }
    Ok(findings)
}

fn judge(said: &RoleSetting, met: &SessionLimit, subject: &Subject) -> Option<Finding> {
    let (name, now) = (&said.name, time(met.now));
    let about = format!("{name} of role {}", subject.role);
    let by = match (met.is_set, met.is_of_client) {
        (true, _) => "a SET in this session, which is another client's if a pooler handed the session on",
        (_, true) => "what its client sent at the start of the session (options, PGOPTIONS)",
        _ => "what the server said when the session began",
    };
    if said.is_of_server {
        if !met.is_set && !met.is_of_client {
            return None;
        }
        let remedy = match met.now {
            0.0 => Remedy::advice(format!("do not send {name} = 0, or set what is meant for the role")),
            _ => set_all([(said, now.clone())], subject),
        };
        return Some(
            Finding::new(
                State::Crit,
                about,
                format!("{name} is {now} by {by}, and nothing is set for the role"),
            )
            .source("pg_settings of this session")
            .threshold("set for the role")
            .remedy(remedy),
        );
    }
    let wanted = said.number()?;
    if wanted == met.now {
        return None;
    }
    // A client that asks for less than it may have does no harm; what leaks from another client does.
    let is_narrower = met.now > 0.0 && (wanted == 0.0 || met.now < wanted);
    let state = if is_narrower && !met.is_set && met.is_of_client { State::Info } else { State::Crit };
    Some(
        Finding::new(
            state,
            about,
            format!("{name} is {now} in this session by {by}; what is set for the {} is {}", said.source, said.shown()),
        )
        .source(format!("pg_settings of this session; {}", said.source))
        .threshold(format!("{}, as set for the {}", said.shown(), said.source))
        .remedy(Remedy::advice(match (met.is_set, met.is_of_client) {
            (true, _) => format!(
                "let programs SET LOCAL {name} in a transaction instead of SET, and renew the pooler's sessions: \
                 RECONNECT on its console"
            ),
            (_, true) => format!("take {name} out of the `options` that the client sends"),
            _ => "renew the sessions that began before it was set: RECONNECT on the pooler's console, or restart the \
                  application's pools"
                .to_owned(),
        })),
    )
}
