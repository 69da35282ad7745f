//! Whether the role that asks may run a statement, asked before anything is run.
//!
//! A step that is refused in the middle of a plan leaves what came before it done and the rest not. So each statement is read for
//! what it needs ([`need`]), the catalogs are asked whether the role has it ([`question`]), and where it has not, [`lacking`] says
//! who can run it and what would allow it. The rules are PostgreSQL's, from 14 to 18; where they differ, the version decides:
//! `CREATEROLE` reaches only roles with `ADMIN OPTION` since 16, single parameters are granted since 15, `MAINTAIN` since 17.
//!
//! | file | what it holds |
//! |---|---|
//! | [`need`] | what a statement needs, read from its text |
//! | [`question`] | the question whether the role has it |

mod need;
mod question;

use super::situation::ask;
use crate::answer::{Row, Unreadable, rows};
use crate::checks::run::NotAsked;
use crate::checks::subject::{Subject, quoted};
use need::{Need, need_of};
use tokio::time::Instant;
use tokio_postgres::Client;

/// A right that the role that asks does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Which, and who has it; in a sentence without its full stop.
    pub why: String,
    /// What would give it, to be run by a role that can; empty where nothing does.
    pub grant: Vec<String>,
    /// No role may, since SQL is no way to it: what to do instead.
    pub instead: Option<String>,
}

/// What the role that asks lacks for these statements; nothing if it may run all of them. What is not there, and a statement that is
/// not known here, are left to the server.
///
/// # Errors
/// The server does not answer, or refuses the question.
///
/// # Cancel safety
/// As [`ask`].
pub async fn lacking(
    client: &Client,
    subject: &Subject,
    statements: &[String],
    until: Instant,
) -> Result<Option<Lacking>, NotAsked> {
    let mut asked: Vec<Need> = Vec::new();
    for need in statements.iter().filter_map(|statement| need_of(statement)) {
        if !asked.contains(&need) {
            asked.push(need);
        }
    }
    let mut found: Option<Lacking> = None;
    for need in asked {
        // A superuser may all that the server's own configuration leaves open.
        if subject.is_superuser && !matches!(need, Need::ServerSetting { .. }) {
            continue;
        }
        let answer = ask(client, &question::of(&need, subject.major()), &subject.role, until).await?;
        let Some(row) = rows(&answer).find(|row| row.has("may")) else { continue };
        if row.flag("may")? {
            continue;
        }
        let one = lacks(&need, subject, row)?;
        match &mut found {
            None => found = Some(one),
            Some(all) => {
                if !all.why.contains(&one.why) {
                    all.why = format!("{}; {}", all.why, one.why);
                }
                let new: Vec<String> = one.grant.into_iter().filter(|it| !all.grant.contains(it)).collect();
                all.grant.extend(new);
                all.instead = all.instead.take().or(one.instead);
            }
        }
    }
    Ok(found)
}

/// What is missing, who has it, and what would give it.
fn lacks(need: &Need, subject: &Subject, row: Row<'_>) -> Result<Lacking, Unreadable> {
    let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
    let (owner, login, major) = (text("owner")?, quoted(&subject.login), subject.major());
    let superusers = text("superusers")?;
    let superuser =
        if superusers.is_empty() { "a superuser".to_owned() } else { format!("a superuser ({superusers})") };
    let granted = |why: String, grant: Vec<String>| Lacking { why, grant, instead: None };
    // Membership in a superuser would give far more than this.
    let owner_is_super = row.flag("owner_is_super")?;
    let owned = |what: &str, more: &str| {
        if owner_is_super {
            return granted(format!("{what} takes {superuser}{more}: its owner is {owner}"), Vec::new());
        }
        let why = format!("{what} takes its owner, {owner}, or {superuser}{more}");
        granted(why, vec![format!("GRANT {} TO {login}", quoted(&owner))])
    };
    let by_set = |of: &str, setting: &str| {
        let why = format!("setting {setting} for {of} takes {superuser}");
        if major < 15 {
            return granted(why, Vec::new());
        }
        granted(
            format!("{why}, or the right to set this parameter"),
            vec![format!("GRANT SET ON PARAMETER {setting} TO {login}")],
        )
    };
    let may_whom = row.flag("may_whom")?;
    Ok(match need {
        Need::RoleSetting { setting, .. } if may_whom => by_set("a role", setting),
        Need::DatabaseSetting { setting, .. } if may_whom => by_set("a database", setting),
        Need::RoleSetting { role, .. } | Need::Role { role, .. } if row.flag("is_high")? => {
            let why =
                format!("role {role} has more rights than CREATEROLE reaches: altering it takes {superuser}");
            granted(why, Vec::new())
        }
        Need::Role { role, is_about_bypassing } => of_role(role, *is_about_bypassing, subject, &superuser),
        Need::RoleSetting { role, .. } => of_role(role, false, subject, &superuser),
        Need::DatabaseSetting { database, .. } => owned(&format!("altering database {database}"), ""),
        Need::ServerSetting { setting } if row.flag("is_off")? => Lacking {
            why: "allow_alter_system is off on this server".to_owned(),
            grant: Vec::new(),
            instead: Some(format!("set {setting} in postgresql.conf, then reload")),
        },
        Need::ServerSetting { setting } if major >= 15 => granted(
            format!("ALTER SYSTEM takes {superuser}, or the right to alter this parameter"),
            vec![format!("GRANT ALTER SYSTEM ON PARAMETER {setting} TO {login}")],
        ),
        Need::ServerSetting { .. } => granted(format!("ALTER SYSTEM takes {superuser}"), Vec::new()),
        Need::NewRole => granted(
            format!("making a role takes {superuser}, or CREATEROLE"),
            vec![format!("ALTER ROLE {login} CREATEROLE")],
        ),
        Need::Membership { granted: role } => {
            let why = format!("granting role {role} takes {superuser}, or ADMIN OPTION on it");
            granted(why, vec![format!("GRANT {} TO {login} WITH ADMIN OPTION", quoted(role))])
        }
        Need::NewExtension { name } if row.flag("is_trusted")? => granted(
            format!("installing extension {name} takes {superuser}, or CREATE on the database"),
            vec![format!("GRANT CREATE ON DATABASE {} TO {login}", quoted(&subject.database))],
        ),
        Need::NewExtension { name } => granted(
            format!("extension {name} is no trusted one, so only {superuser} may install it"),
            Vec::new(),
        ),
        Need::Extension { name, .. } if may_whom => granted(
            format!("extension {name} is no trusted one, so only {superuser} may update it"),
            Vec::new(),
        ),
        Need::Extension { name, .. } => owned(&format!("altering extension {name}"), ""),
        Need::Own(relation) => owned(&format!("altering {}", relation.name), ""),
        Need::Drop(relation) => owned(&format!("dropping {}", relation.name), ""),
        Need::Index(relation) if may_whom => granted(
            format!("an index on {} takes CREATE on its schema", relation.name),
            vec![format!("GRANT CREATE ON SCHEMA {} TO {login}", quoted(&text("schema")?))],
        ),
        Need::Index(relation) => owned(&format!("an index on {}", relation.name), ""),
        Need::Maintain { relation, .. } if major >= 17 => {
            let mut lacking = owned(&format!("maintaining {}", relation.name), ", or MAINTAIN on the table");
            lacking.grant = vec![format!("GRANT MAINTAIN ON TABLE {} TO {login}", text("table_name")?)];
            lacking
        }
        Need::Maintain { relation, .. } => owned(&format!("maintaining {}", relation.name), ""),
        Need::MaintainAll => owned("vacuuming the whole database", ""),
        Need::Slot => granted(
            format!("dropping a replication slot takes {superuser}, or the attribute REPLICATION"),
            vec![format!("ALTER ROLE {login} REPLICATION")],
        ),
        Need::Signal { pid } if row.flag("is_high")? => {
            granted(format!("session {pid} is a superuser's, which only {superuser} may stop"), Vec::new())
        }
        Need::Signal { pid } => granted(
            format!(
                "session {pid} is role {owner}'s: stopping it takes {superuser}, that role, or pg_signal_backend"
            ),
            vec![format!("GRANT pg_signal_backend TO {login}")],
        ),
        Need::Call { function } => granted(
            format!("calling {function} takes {superuser}, or EXECUTE on it"),
            vec![format!("GRANT EXECUTE ON FUNCTION {function} TO {login}")],
        ),
    })
}

/// Another role, which is no superuser.
fn of_role(role: &str, is_about_bypassing: bool, subject: &Subject, superuser: &str) -> Lacking {
    let login = quoted(&subject.login);
    let mut why = format!("altering role {role} takes {superuser}, or CREATEROLE");
    let mut grant = vec![format!("ALTER ROLE {login} CREATEROLE")];
    if subject.major() >= 16 {
        why.push_str(" with ADMIN OPTION on that role");
        grant.push(format!("GRANT {} TO {login} WITH ADMIN OPTION", quoted(role)));
    }
    if is_about_bypassing {
        why.push_str(", and BYPASSRLS of one's own");
        grant.push(format!("ALTER ROLE {login} BYPASSRLS"));
    }
    Lacking { why, grant, instead: None }
}
