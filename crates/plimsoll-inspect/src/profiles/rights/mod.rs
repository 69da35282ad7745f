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
    let answer = Answer::read(subject, row)?;
    Ok(match need {
        Need::RoleSetting { .. } | Need::DatabaseSetting { .. } | Need::ServerSetting { .. } => {
            answer.of_setting(need)
        }
        Need::Role { .. } | Need::NewRole | Need::Membership { .. } | Need::Signal { .. } | Need::Slot => {
            answer.of_role(need)
        }
        _ => answer.of_object(need),
    })
}

/// What the question told, in words.
struct Answer<'a> {
    subject: &'a Subject,
    login: String,
    /// `a superuser (postgres)`.
    superuser: String,
    owner: String,
    owner_is_super: bool,
    /// It is not the place or the owner that is lacking.
    may_whom: bool,
    is_high: bool,
    is_off: bool,
    is_trusted: bool,
    schema: String,
    table: String,
}

impl<'a> Answer<'a> {
    fn read(subject: &'a Subject, row: Row<'_>) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        let superuser = match text("superusers")?.as_str() {
            "" => "a superuser".to_owned(),
            names => format!("a superuser ({names})"),
        };
        Ok(Answer {
            subject,
            login: quoted(&subject.login),
            superuser,
            owner: text("owner")?,
            owner_is_super: row.flag("owner_is_super")?,
            may_whom: row.flag("may_whom")?,
            is_high: row.flag("is_high")?,
            is_off: row.flag("is_off")?,
            is_trusted: row.flag("is_trusted")?,
            schema: text("schema")?,
            table: text("table_name")?,
        })
    }

    /// What takes the owner. Membership in a superuser would give far more than this, and is not advised.
    fn owned(&self, what: &str, more: &str) -> Lacking {
        let Answer { owner, superuser, login, .. } = self;
        if self.owner_is_super {
            return granted(format!("{what} takes {superuser}{more}: its owner is {owner}"), []);
        }
        let why = format!("{what} takes its owner, {owner}, or {superuser}{more}");
        granted(why, [format!("GRANT {} TO {login}", quoted(owner))])
    }

    fn of_setting(&self, need: &Need) -> Lacking {
        let Answer { superuser, login, .. } = self;
        let has_grants = self.subject.major() >= 15;
        match need {
            Need::RoleSetting { setting, .. } | Need::DatabaseSetting { setting, .. } if self.may_whom => {
                let why = format!("setting {setting} there takes {superuser}");
                if !has_grants {
                    return granted(why, []);
                }
                let grant = format!("GRANT SET ON PARAMETER {setting} TO {login}");
                granted(format!("{why}, or the right to set this parameter"), [grant])
            }
            Need::RoleSetting { role, .. } => self.of_another_role(role, false),
            Need::DatabaseSetting { database, .. } => {
                self.owned(&format!("altering database {database}"), "")
            }
            Need::ServerSetting { setting } if self.is_off => Lacking {
                instead: Some(format!("set {setting} in postgresql.conf, then reload")),
                ..granted("allow_alter_system is off on this server".to_owned(), [])
            },
            Need::ServerSetting { setting } if has_grants => granted(
                format!("ALTER SYSTEM takes {superuser}, or the right to alter this parameter"),
                [format!("GRANT ALTER SYSTEM ON PARAMETER {setting} TO {login}")],
            ),
            _ => granted(format!("ALTER SYSTEM takes {superuser}"), []),
        }
    }

    fn of_role(&self, need: &Need) -> Lacking {
        let Answer { superuser, login, owner, .. } = self;
        match need {
            Need::Role { role, is_about_bypassing } => self.of_another_role(role, *is_about_bypassing),
            Need::Membership { granted: role } => granted(
                format!("granting role {role} takes {superuser}, or ADMIN OPTION on it"),
                [format!("GRANT {} TO {login} WITH ADMIN OPTION", quoted(role))],
            ),
            Need::Signal { pid } if self.is_high => {
                granted(format!("session {pid} is a superuser's, which only {superuser} may stop"), [])
            }
            Need::Signal { pid } => granted(
                format!(
                    "session {pid} is role {owner}'s: stopping it takes {superuser}, that role, or pg_signal_backend"
                ),
                [format!("GRANT pg_signal_backend TO {login}")],
            ),
            Need::Slot => granted(
                format!("dropping a replication slot takes {superuser}, or the attribute REPLICATION"),
                [format!("ALTER ROLE {login} REPLICATION")],
            ),
            _ => granted(
                format!("making a role takes {superuser}, or CREATEROLE"),
                [format!("ALTER ROLE {login} CREATEROLE")],
            ),
        }
    }

    /// Another role than the one that asks.
    fn of_another_role(&self, role: &str, is_about_bypassing: bool) -> Lacking {
        let Answer { superuser, login, .. } = self;
        if self.is_high {
            let why =
                format!("role {role} has more rights than CREATEROLE reaches: altering it takes {superuser}");
            return granted(why, []);
        }
        let mut why = format!("altering role {role} takes {superuser}, or CREATEROLE");
        let mut grant = vec![format!("ALTER ROLE {login} CREATEROLE")];
        if self.subject.major() >= 16 {
            why.push_str(" with ADMIN OPTION on that role");
            grant.push(format!("GRANT {} TO {login} WITH ADMIN OPTION", quoted(role)));
        }
        if is_about_bypassing {
            why.push_str(", and BYPASSRLS of one's own");
            grant.push(format!("ALTER ROLE {login} BYPASSRLS"));
        }
        granted(why, grant)
    }

    fn of_object(&self, need: &Need) -> Lacking {
        let Answer { superuser, login, subject, .. } = self;
        match need {
            Need::NewExtension { name } if self.is_trusted => granted(
                format!("installing extension {name} takes {superuser}, or CREATE on the database"),
                [format!("GRANT CREATE ON DATABASE {} TO {login}", quoted(&subject.database))],
            ),
            Need::NewExtension { name } => {
                granted(format!("extension {name} is no trusted one, so installing it takes {superuser}"), [])
            }
            Need::Extension { name, .. } if self.may_whom => {
                granted(format!("extension {name} is no trusted one, so updating it takes {superuser}"), [])
            }
            Need::Extension { name, .. } => self.owned(&format!("altering extension {name}"), ""),
            Need::Own(relation) => self.owned(&format!("altering {}", relation.name), ""),
            Need::Drop(relation) => self.owned(&format!("dropping {}", relation.name), ""),
            Need::Index(relation) if self.may_whom => granted(
                format!("an index on {} takes {superuser}, or CREATE on its schema", relation.name),
                [format!("GRANT CREATE ON SCHEMA {} TO {login}", quoted(&self.schema))],
            ),
            Need::Index(relation) => self.owned(&format!("an index on {}", relation.name), ""),
            Need::Maintain { relation, .. } if subject.major() >= 17 => Lacking {
                grant: vec![format!("GRANT MAINTAIN ON TABLE {} TO {login}", self.table)],
                ..self.owned(&format!("maintaining {}", relation.name), ", or MAINTAIN on the table")
            },
            Need::Maintain { relation, .. } => self.owned(&format!("maintaining {}", relation.name), ""),
            Need::Call { function } => granted(
                format!("calling {function} takes {superuser}, or EXECUTE on it"),
                [format!("GRANT EXECUTE ON FUNCTION {function} TO {login}")],
            ),
            _ => self.owned("vacuuming the whole database", ""),
        }
    }
}

fn granted(why: String, grant: impl Into<Vec<String>>) -> Lacking {
    Lacking { why, grant: grant.into(), instead: None }
}
