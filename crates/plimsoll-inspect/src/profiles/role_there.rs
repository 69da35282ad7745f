//! What is known of roles that are there already: whether they have a password, and what else they may than the profile gives.
//!
//! Passwords are in `pg_authid`, which a superuser may read and hardly any other role. Where it may not be read, a role's password
//! cannot be known, and that is what is said.

use super::situation::ask;
use super::step::Planned;
use crate::answer::{Row, Unreadable, rows};
use crate::checks::run::NotAsked;
use crate::checks::subject::literal;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tokio_postgres::Client;

const MAY_SEE: &str = "SELECT pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT') \
                       AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'SELECT') AS may_see";

/// What a role may beside logging in, and how that is called.
const MORE: [(&str, &str); 5] = [
    ("rolsuper", "SUPERUSER"),
    ("rolcreatedb", "CREATEDB"),
    ("rolcreaterole", "CREATEROLE"),
    ("rolreplication", "REPLICATION"),
    ("rolbypassrls", "BYPASSRLS"),
];

/// A role that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct There {
    /// `None` if that cannot be known.
    pub(super) has_password: Option<bool>,
    has_expired: bool,
    logs_in: bool,
    more: Vec<&'static str>,
}

impl There {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        let mut more = Vec::new();
        for (column, word) in MORE {
            if row.flag(column)? {
                more.push(word);
            }
        }
        let (has_expired, logs_in) = (row.flag("has_expired")?, row.flag("rolcanlogin")?);
        Ok(There { has_password: None, has_expired, logs_in, more })
    }

    /// How it is, as a plan says it.
    pub(super) fn in_words(&self) -> String {
        let mut text = match (self.has_password, self.has_expired) {
            (Some(true), true) => "there, with a password that has expired (VALID UNTIL)".to_owned(),
            (Some(true), false) => "there, with a password".to_owned(),
            (Some(false), _) => "there, without a password".to_owned(),
            (None, _) => {
                "there; whether it has a password cannot be known, since this role may not read pg_authid"
                    .to_owned()
            }
        };
        if !self.logs_in {
            text.push_str("; it may not log in (NOLOGIN)");
        }
        if !self.more.is_empty() {
            text = format!("{text}; it may more than the profile gives ({})", self.more.join(", "));
        }
        text
    }
}

/// Those of these roles that are there, by name.
pub(super) async fn of(
    client: &Client,
    app: &str,
    names: &[&str],
    until: Instant,
) -> Result<BTreeMap<String, There>, NotAsked> {
    let list: Vec<String> = names.iter().map(|name| literal(name)).collect();
    let list = list.join(", ");
    let columns: Vec<&str> = MORE.iter().map(|(column, _)| *column).collect();
    let question = format!(
        "SELECT rolname, rolcanlogin, COALESCE(rolvaliduntil < pg_catalog.now(), false) AS has_expired, {} \
         FROM pg_catalog.pg_roles WHERE rolname IN ({list})",
        columns.join(", ")
    );
    let mut all = BTreeMap::new();
    for row in rows(&ask(client, &question, app, until).await?).filter(|row| row.has("rolcanlogin")) {
        all.insert(row.text("rolname")?.unwrap_or_default().to_owned(), There::read(row)?);
    }
    let mut may_see = false;
    for row in rows(&ask(client, MAY_SEE, app, until).await?).filter(|row| row.has("may_see")) {
        may_see = row.flag("may_see")?;
    }
    if may_see && !all.is_empty() {
        let question = format!(
            "SELECT rolname, rolpassword IS NOT NULL AS has_password FROM pg_catalog.pg_authid WHERE rolname IN ({list})"
        );
        for row in rows(&ask(client, &question, app, until).await?).filter(|row| row.has("has_password")) {
            let name = row.text("rolname")?.unwrap_or_default();
            if let Some(there) = all.get_mut(name) {
                there.has_password = Some(row.flag("has_password")?);
            }
        }
    }
    Ok(all)
}

/// Which of the roles have no password, or will have none when they are made, and which may have none.
pub(super) fn passwords(names: &[&str], there: &BTreeMap<String, There>) -> Option<Planned> {
    let named = |is: &dyn Fn(Option<&There>) -> bool| {
        let some: Vec<&str> = names.iter().copied().filter(|name| is(there.get(*name))).collect();
        some.join(", ")
    };
    let without = named(&|role| role.is_none_or(|role| role.has_password == Some(false)));
    let unknown = named(&|role| role.is_some_and(|role| role.has_password.is_none()));
    let mut is = Vec::new();
    if !without.is_empty() {
        is.push(format!("none: {without}"));
    }
    if !unknown.is_empty() {
        is.push(format!("not to be known to this role: {unknown}"));
    }
    (!is.is_empty()).then(|| Planned::Advice {
        what: "passwords of the roles".to_owned(),
        is: is.join("; "),
        text: "set one by psql's \\password ROLE, which sends no password in clear; without one a role comes in only where \
               pg_hba.conf asks for none"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_told_as_it_is() {
        let there = There { has_password: Some(true), logs_in: true, ..There::default() };
        assert_eq!(there.in_words(), "there, with a password");
        let expired = There { has_expired: true, ..there.clone() };
        assert!(expired.in_words().contains("has expired"));
        let hidden = There { has_password: None, ..there.clone() };
        assert!(hidden.in_words().contains("cannot be known"));
        let other = There { logs_in: false, more: vec!["SUPERUSER", "CREATEDB"], ..there };
        let words = other.in_words();
        assert!(words.contains("may not log in") && words.contains("(SUPERUSER, CREATEDB)"), "{words}");
    }
}
