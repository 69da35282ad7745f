//! G10: the application's role cannot take every connection.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Threshold, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::{Subject, quoted};

const WARN: Threshold = Threshold {
    name: "role_connections_warn",
    default: 80.0,
    unit: "%",
    meaning: "a role that may have more of the connections, or has them without a limit, is a warning",
};

const CRIT: Threshold = Threshold {
    name: "role_connections_crit",
    default: 95.0,
    unit: "%",
    meaning: "a role without a limit that has more of the connections is critical",
};

pub(super) const G10: Check = Check {
    id: "G10",
    title: "The application's role cannot take every connection of the server",
    why: "when one role has them all, migrations, monitoring and other services are turned away as well",
    ask: &[include_str!("connection_limit.sql")],
    needs_role: true,
    thresholds: &[WARN, CRIT],
    read,
    ..Check::USUAL
};

fn read(
    answers: &Answers<'_>,
    subject: &Subject,
    thresholds: &Thresholds,
) -> Result<Vec<Finding>, Unreadable> {
    let mut findings = Vec::new();
    for row in answers.rows() {
        let usable: f64 = row.number("role_usable")?.unwrap_or_default();
        let limit = row.number("role_limit")?.unwrap_or(-1.0);
        let used = row.number("role_sessions")?.unwrap_or_default();
        let role = Role { limit, used, usable, is_superuser: row.flag("role_is_superuser")? };
        findings.push(role.judge(subject, thresholds));
    }
    Ok(findings)
}

struct Role {
    /// -1 is none.
    limit: f64,
    used: f64,
    usable: f64,
    is_superuser: bool,
}

impl Role {
    fn judge(&self, subject: &Subject, thresholds: &Thresholds) -> Finding {
        let Role { limit, used, usable, is_superuser } = *self;
        let (warn, crit) = (thresholds.get(&WARN), thresholds.get(&CRIT));
        let is_limited = limit >= 0.0 && !is_superuser;
        let (state, value) = if is_limited {
            let state = if limit > usable * warn / 100.0 { State::Warn } else { State::Ok };
            (
                state,
                format!(
                    "its limit is {limit} of the {usable} connections that are not reserved, and it has {used}"
                ),
            )
        } else {
            let state = match used / usable.max(1.0) * 100.0 {
                share if share > crit => State::Crit,
                share if share > warn => State::Warn,
                _ => State::Info,
            };
            let why = if is_superuser { "no limit holds for a superuser" } else { "it has no limit" };
            (state, format!("{why}, and it has {used} of the {usable} connections that are not reserved"))
        };
        let finding = Finding::new(state, subject.the_role(), value)
            .source("pg_roles.rolconnlimit, pg_stat_activity")
            .threshold(format!("a limit of at most {warn} % of the connections"));
        match state {
            State::Ok => finding,
            _ => finding.remedy(self.remedy(subject, (usable * warn / 100.0).floor())),
        }
    }

    fn remedy(&self, subject: &Subject, most: f64) -> Remedy {
        let role = quoted(&subject.role);
        if self.is_superuser {
            return Remedy::advice("have the application log in as a role that is no superuser (see G09)");
        }
        if self.used > most {
            return Remedy::advice(format!(
                "make the application's pools smaller, together at most {most}, then ALTER ROLE {role} CONNECTION LIMIT {most}: \
                 sooner it would turn away sessions that are in use today"
            ));
        }
        Remedy::now(
            format!("ALTER ROLE {role} CONNECTION LIMIT {most}"),
            format!("ALTER ROLE {role} CONNECTION LIMIT {}", self.limit),
        )
    }
}
