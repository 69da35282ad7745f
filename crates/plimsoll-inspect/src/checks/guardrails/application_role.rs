//! G09: the application logs in as a role that may use tables, and nothing beyond.

use crate::answer::{Row, Unreadable};
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Finding, Remedy, State};
use crate::checks::subject::{Subject, quoted};

pub(super) const G09: Check = Check {
    id: "G09",
    title: "The application's role is no superuser, owns no table and obeys row security",
    why: "a slip in the application's SQL can then drop tables, read other tenants' rows, or take the connections that are \
          kept for operators",
    ask: &[include_str!("application_role.sql")],
    needs_role: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let mut findings = Vec::new();
    for (place, row) in answers.rows().enumerate() {
        if row.flag("application_is_superuser")? {
            return Ok(vec![superuser(subject)]);
        }
        if place == 0 && row.flag("application_bypasses_rls")? {
            findings.push(bypasses(subject));
        }
        if row.text("owner_name")?.is_some() {
            findings.push(owner(row, subject)?);
        }
    }
    Ok(findings)
}

fn superuser(subject: &Subject) -> Finding {
    Finding::new(State::Crit, subject.the_role(), "the application logs in as a superuser")
        .source("pg_roles.rolsuper")
        .threshold("false")
        // Not NOSUPERUSER: without grants the application would stand still, and the first superuser cannot be changed.
        .remedy(Remedy::advice(
            "give the application a role of its own: CREATE ROLE .. LOGIN NOSUPERUSER NOBYPASSRLS; GRANT USAGE ON SCHEMA .. \
             TO ..; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA .. TO ..; then have it log in as that",
        ))
}

fn bypasses(subject: &Subject) -> Finding {
    let role = quoted(&subject.role);
    Finding::new(
        State::Crit,
        subject.the_role(),
        "no row security holds for the application: its role has BYPASSRLS",
    )
    .source("pg_roles.rolbypassrls")
    .threshold("false")
    .remedy(Remedy::now(format!("ALTER ROLE {role} NOBYPASSRLS"), format!("ALTER ROLE {role} BYPASSRLS")))
}

fn owner(row: Row<'_>, subject: &Subject) -> Result<Finding, Unreadable> {
    let count = |column| row.number::<u64>(column).map(Option::unwrap_or_default);
    let owner = row.text("owner_name")?.unwrap_or_default();
    let (tables, unprotected) = (count("owned_tables")?, count("owned_unprotected")?);
    let who = if row.flag("owns_itself")? {
        "the application's role owns".to_owned()
    } else {
        format!("the application's role has the rights of {owner}, which owns")
    };
    let example = row.text("owned_example")?.unwrap_or_default();
    let (state, rows) = match unprotected {
        0 => (State::Warn, String::new()),
        _ => (State::Crit, format!("; row security does not hold for their owner on {unprotected} of them")),
    };
    let (theirs, role) = (quoted(owner), quoted(&subject.role));
    let advice = if row.flag("owns_itself")? {
        format!(
            "CREATE ROLE owner NOLOGIN; REASSIGN OWNED BY {theirs} TO owner; GRANT USAGE ON SCHEMA .. TO {role}; GRANT SELECT, \
             INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA .. TO {role}; have migrations log in as a member of owner"
        )
    } else {
        format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE on the tables that it uses TO {role}; then REVOKE {theirs} FROM {role}"
        )
    };
    Ok(Finding::new(
        state,
        format!("tables of role {owner}"),
        format!(
            "{who} tables of this database ({tables}, such as {example}): it can alter and drop them{rows}"
        ),
    )
    .source("pg_class.relowner")
    .threshold("none")
    .remedy(Remedy::advice(advice)))
}
