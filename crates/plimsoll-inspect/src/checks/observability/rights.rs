//! O09: the role that asks may see what the checks look at.

use crate::checks::all;
use crate::checks::check::Check;
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::quoted;

pub(super) const O09: Check = Check {
    id: "O09",
    title: "The role that asks may see what the checks look at",
    why: "a server hides what others do and how it is configured from ordinary roles, and what is hidden \
     cannot be checked",
    read: |_, subject, _| {
        if subject.monitors {
            return Ok(Vec::new());
        }
        let skipped: Vec<_> = all().filter(|check| check.needs_monitor).map(|check| check.id).collect();
        let login = quoted(&subject.login);
        Ok(vec![
            Finding::new(
                State::Info,
                format!("role {}", subject.login),
                format!(
                    "it does not have the rights of pg_monitor, so these checks are skipped: {}; others \
                     skip what they cannot see",
                    skipped.join(", ")
                ),
            )
            .source("pg_has_role")
            .threshold("the rights of pg_monitor")
            .remedy(Remedy::now(
                format!("GRANT pg_monitor TO {login}"),
                format!("REVOKE pg_monitor FROM {login}"),
            )),
        ])
    },
    ..Check::USUAL
};
