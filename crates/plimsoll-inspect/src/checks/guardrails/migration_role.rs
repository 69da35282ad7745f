//! G11: migrations have a role of their own, which waits for locks briefly and works for as long as it takes.
//!
//! Which role that is, its tables tell: it owns them, or is a member of the role that does, and it can log in.

use super::limit::Limits;
use super::session_limits::SESSION_LIMITS;
use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::role_settings::{ROLE_SETTINGS, RoleSetting, set_all};
use crate::checks::subject::Subject;
use std::collections::BTreeMap;

/// How many roles are judged; the question lists one more, so that more are noticed.
const MOST: usize = 50;

pub(super) const G11: Check = Check {
    id: "G11",
    title: "Migrations have a role of their own, with a lock_timeout and without the application's limits",
    why: "a migration that waits for a lock makes every query behind it wait, and one that is cut off at the application's \
          limit leaves an invalid index or never ends",
    ask: &[ROLE_SETTINGS, SESSION_LIMITS, include_str!("migration_role.sql")],
    needs_role: true,
    read,
    ..Check::USUAL
};

/// A role that can change tables.
#[derive(Default)]
struct Migrator {
    tables: u64,
    is_application: bool,
    settings: Vec<RoleSetting>,
}

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let limits = Limits::read(answers)?;
    let mut roles: BTreeMap<String, Migrator> = BTreeMap::new();
    for row in answers.rows().filter(|row| row.has("migration_role")) {
        let Some(name) = row.text("migration_role")? else { continue };
        let migrator = roles.entry(name.to_owned()).or_default();
        migrator.tables = row.number("migration_tables")?.unwrap_or_default();
        migrator.is_application = row.flag("is_application")?;
        migrator.settings.push(setting(row, &limits)?);
    }
    let others = roles.iter().filter(|(_, migrator)| !migrator.is_application);
    let mut findings: Vec<_> =
        others.clone().take(MOST).map(|(name, migrator)| judge(name, migrator, &limits, subject)).collect();
    if roles.len() > MOST {
        findings.push(Finding::new(
            State::Info,
            "server",
            format!("more than {MOST} roles can change tables here; the rest were not looked at"),
        ));
    }
    if let Some(application) = roles.get(&subject.role).filter(|_| findings.is_empty()) {
        findings.push(no_role_of_their_own(application, subject));
    }
    Ok(findings)
}

fn setting(row: Row<'_>, limits: &Limits) -> Result<RoleSetting, Unreadable> {
    let text = |column| row.text(column).map(|text| text.map(str::to_owned));
    let setting = RoleSetting {
        name: text("migration_setting")?.unwrap_or_default(),
        text: text("migration_value")?,
        source: text("migration_source")?.unwrap_or_default(),
        unit: text("migration_unit")?,
        is_of_server: row.flag("migration_is_of_server")?,
    };
    // What the session that asks was started with is not what others have.
    let is_hidden =
        setting.is_of_server && limits.of_session(&setting.name).is_some_and(|limit| limit.is_of_client);
    Ok(if is_hidden { RoleSetting { text: None, ..setting } } else { setting })
}

fn judge(name: &str, migrator: &Migrator, limits: &Limits, subject: &Subject) -> Finding {
    let about = format!("role {name}");
    let mut changes = Vec::new();
    let mut wrong = Vec::new();
    let mut fine = Vec::new();
    for setting in &migrator.settings {
        let Some(millis) = setting.number() else {
            return Finding::skipped(
                about,
                format!("{} is hidden by what is set for the role or the session that asks", setting.name),
            );
        };
        let applications = limits.known(&setting.name, subject).ok().map(|(_, millis)| millis);
        let shown = format!("{} is {}", setting.name, setting.shown());
        if setting.name == "lock_timeout" && millis == 0.0 {
            wrong.push(format!(
                "{shown}, so it waits for a lock without an end, and all queries wait behind it"
            ));
            changes.push((setting, "5s".to_owned()));
        } else if setting.name != "lock_timeout" && millis > 0.0 && applications == Some(millis) {
            wrong.push(format!("{shown}, as for the application"));
            changes.push((setting, "0".to_owned()));
        } else {
            fine.push(shown);
        }
    }
    let state = if wrong.is_empty() { State::Ok } else { State::Warn };
    let all = if wrong.is_empty() { fine } else { wrong };
    let value = format!("it can change tables of this database ({}); {}", migrator.tables, all.join("; "));
    let finding = Finding::new(state, about, value)
        .source("pg_class.relowner, pg_db_role_setting")
        .threshold("lock_timeout above 0; statement_timeout and transaction_timeout not the application's");
    if changes.is_empty() {
        return finding;
    }
    let whose = Subject { role: name.to_owned(), ..subject.clone() };
    finding.remedy(set_all(changes, &whose))
}

fn no_role_of_their_own(application: &Migrator, subject: &Subject) -> Finding {
    Finding::new(
        State::Info,
        subject.the_role(),
        format!(
            "it owns tables of this database ({}), and no other role that can log in can change them: migrations run as the \
             application, with its limits",
            application.tables
        ),
    )
    .source("pg_class.relowner")
    .threshold("a role of their own")
    .remedy(Remedy::advice(
        "CREATE ROLE migrator LOGIN; have it own the tables; ALTER ROLE migrator SET lock_timeout = '5s'; ALTER ROLE migrator \
         SET statement_timeout = 0",
    ))
}
