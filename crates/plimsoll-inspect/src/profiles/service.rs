//! The rule of the profile `service`: what is there against what ought to be, and at which level it can be said.
//!
//! A setting of the server that the role that asks may not write is said for the database instead, if that is allowed; it holds
//! for this database then and for no other. Where neither is, the plan has the SQL for a role that may, and the line for
//! `postgresql.conf`.

use super::guards::{Guard, SERVICE, STATEMENTS, WHY_STATEMENTS};
use super::level::{Level, Place};
use super::parts::RELOAD;
use super::situation::{Situation, is_same};
use super::step::{Planned, Probe, Reading, Step};
use crate::checks::finding::Effect;
use crate::checks::subject::quoted;
use std::collections::BTreeMap;

/// One setting that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its value, as the statement has it.
    pub value: String,
    /// Where it is wanted.
    pub level: Level,
    /// Why, in a sentence without its full stop.
    pub why: String,
}

impl From<&Guard> for Wanted {
    fn from(guard: &Guard) -> Self {
        Wanted {
            name: guard.name.to_owned(),
            value: guard.value.to_owned(),
            level: guard.level,
            why: guard.why.to_owned(),
        }
    }
}

/// The profile's settings, with other values where something else was said. What the profile does not have is wanted for the
/// role in the database.
#[must_use]
pub fn wanted(said: &[(String, String)]) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = SERVICE.iter().map(Wanted::from).collect();
    for (name, value) in said {
        let mut is_known = false;
        for wanted in all.iter_mut().filter(|wanted| wanted.name == *name) {
            wanted.value.clone_from(value);
            is_known = true;
        }
        if !is_known {
            all.push(Wanted {
                name: name.clone(),
                value: value.clone(),
                level: Level::RoleInDatabase,
                why: "asked for besides the profile".to_owned(),
            });
        }
    }
    all
}

/// What it takes to get there, in order.
#[must_use]
pub fn plan(situation: &Situation, wanted: &[Wanted]) -> Vec<Planned> {
    let effective =
        situation.settings.iter().filter_map(|(name, known)| Some((name.clone(), known.text.clone()?)));
    let mut rule = Rule { situation, wanted, said: situation.said.clone(), effective: effective.collect() };
    let mut all: Vec<Planned> = (0..wanted.len()).filter_map(|at| rule.one(at)).collect();
    all.extend(statements(situation));
    if situation.rights.role_is_super {
        all.push(Planned::Advice {
            what: format!("role {}", situation.subject.role),
            is: "a superuser".to_owned(),
            text:
                "no application should log in as one, which can take back every limit: make a role for it\n\
                   plimsoll apply --profile service --create-roles --role NAME"
                    .to_owned(),
        });
    }
    all
}

/// The rule at work: what is said and what counts, as the steps before have left it.
struct Rule<'a> {
    situation: &'a Situation,
    wanted: &'a [Wanted],
    said: BTreeMap<(Level, String), String>,
    effective: BTreeMap<String, String>,
}

impl Rule<'_> {
    fn place(&self, level: Level) -> Place<'_> {
        Place { level, database: &self.situation.subject.database, role: &self.situation.subject.role }
    }

    fn unit(&self, name: &str) -> Option<&str> {
        self.situation.settings.get(name)?.unit.as_deref()
    }

    /// The strongest level above this one that says something else, and what it says.
    fn stronger(&self, level: Level, wanted: &Wanted) -> Option<(Level, &str)> {
        [Level::RoleInDatabase, Level::Role, Level::Database]
            .into_iter()
            .filter(|above| *above > level)
            .find_map(|above| Some((above, self.said.get(&(above, wanted.name.clone()))?.as_str())))
            .filter(|(_, value)| !is_same(value, &wanted.value, self.unit(&wanted.name)))
    }

    fn one(&mut self, at: usize) -> Option<Planned> {
        let wanted = self.wanted.get(at)?;
        let what = |level: Level| format!("{}, {}", wanted.name, self.place(level).name());
        let Some(setting) = self.situation.settings.get(&wanted.name) else {
            return Some(Planned::Advice {
                what: what(wanted.level),
                is: "not known to this server".to_owned(),
                text: format!("PostgreSQL {} has no setting {}", self.situation.subject.major(), wanted.name),
            });
        };
        let from = setting.source.clone();
        let is_so = |value: &str| is_same(value, &wanted.value, setting.unit.as_deref());
        let said = self.said.get(&(wanted.level, wanted.name.clone()));
        let counts = setting.text.as_deref().is_some_and(is_so);
        let is_there =
            if wanted.level == Level::Server { counts } else { said.is_some_and(|value| is_so(value)) };
        let later = self
            .wanted
            .iter()
            .skip(at + 1)
            .any(|other| other.name == wanted.name && other.level > wanted.level);
        if is_there {
            if let Some((level, value)) = self.stronger(wanted.level, wanted).filter(|_| !later) {
                return Some(Planned::Advice {
                    what: what(wanted.level),
                    is: format!("said, and not what counts: the {level} says {value}"),
                    text: format!("{};", self.place(level).statement(&wanted.name, None)),
                });
            }
            let (is, from) = match said.filter(|_| wanted.level != Level::Server) {
                Some(value) => (value.clone(), wanted.level.to_string()),
                None => (setting.shown(), from),
            };
            let reading = Reading::Setting {
                name: wanted.name.clone(),
                before: Some(wanted.value.clone()),
                value: wanted.value.clone(),
            };
            return Some(Planned::Already { what: what(wanted.level), is, from, reading });
        }
        let (is, from) = match said.filter(|_| wanted.level != Level::Server) {
            Some(value) => (value.clone(), wanted.level.to_string()),
            None => (setting.shown(), from),
        };
        let level = match self.level_for(wanted) {
            Ok(level) => level,
            Err(refused) => return Some(self.missing(wanted, is, from, refused)),
        };
        Some(Planned::Step(Box::new(self.step(wanted, level, is, from, later))))
    }

    fn step(&mut self, wanted: &Wanted, level: Level, is: String, from: String, later: bool) -> Step {
        let place = self.place(level);
        let (name, value) = (wanted.name.as_str(), wanted.value.as_str());
        let there = self.said.get(&(level, wanted.name.clone())).map(String::as_str);
        let mut run = vec![place.statement(name, Some(value))];
        let mut undo = vec![place.statement(name, there)];
        if level == Level::Server {
            run.push(RELOAD.to_owned());
            undo.push(RELOAD.to_owned());
        }
        let stronger = self.stronger(level, wanted).map(|(level, value)| (level, value.to_owned()));
        let note = match (&stronger, wanted.level == level) {
            (Some((above, said)), _) if !later => {
                Some(format!("it will not count for role {}: the {above} says {said}", place.role))
            }
            (_, false) => {
                Some(format!("for {} only: it is wanted for the whole {}", place.name(), wanted.level))
            }
            _ => None,
        };
        let reading = if stronger.is_some() && later {
            Reading::Probe { probe: Probe::sql(place.is(name, Some(value))) }
        } else {
            let before = self.effective.get(name).cloned();
            Reading::Setting { name: name.to_owned(), before, value: value.to_owned() }
        };
        let step = Step {
            what: format!("{name}, {}", place.name()),
            why: wanted.why.clone(),
            is,
            from,
            will: value.to_owned(),
            run,
            undo,
            effect: if level == Level::Server { Effect::Reload } else { Effect::NewSessions },
            before: Probe::sql(place.is(name, there)),
            after: Probe::sql(place.is(name, Some(value))),
            reading,
            note,
        };
        if stronger.is_none() {
            self.effective.insert(wanted.name.clone(), wanted.value.clone());
        }
        self.said.insert((level, wanted.name.clone()), wanted.value.clone());
        step
    }

    /// The level at which the role that asks may say it.
    fn level_for(&self, wanted: &Wanted) -> Result<Level, Refused> {
        let (rights, subject) = (&self.situation.rights, &self.situation.subject);
        let (may_set, may_write) = self.situation.may_set.get(&wanted.name).copied().unwrap_or_default();
        let for_all = self.situation.contexts.get(&wanted.name).is_some_and(|context| context == "user");
        let may_say = rights.all || for_all || may_set;
        match wanted.level {
            Level::Database if rights.database && may_say => Ok(Level::Database),
            Level::Database if rights.database => Err(Refused::Setting),
            Level::Database => Err(Refused::Database),
            Level::Role | Level::RoleInDatabase => {
                let of_others = if subject.major() >= 16 {
                    rights.make_roles && rights.admin_role
                } else {
                    rights.make_roles
                };
                let may = rights.all || rights.role_is_me || (of_others && !rights.role_is_super);
                match (may, may_say) {
                    (true, true) => Ok(wanted.level),
                    (true, false) => Err(Refused::Setting),
                    (false, _) => Err(Refused::Role),
                }
            }
            Level::Server => {
                let writes = rights.all || (may_write && rights.reload && rights.read_files);
                let may_say_here = rights.database && may_say;
                let is_said_here = self.said.contains_key(&(Level::Database, wanted.name.clone()));
                if writes && !rights.alter_system_is_off && !(is_said_here && may_say_here) {
                    Ok(Level::Server)
                } else if may_say_here {
                    Ok(Level::Database)
                } else if rights.alter_system_is_off {
                    Err(Refused::File)
                } else {
                    Err(Refused::Server)
                }
            }
        }
    }

    fn missing(&self, wanted: &Wanted, is: String, from: String, refused: Refused) -> Planned {
        let (subject, rights) = (&self.situation.subject, &self.situation.rights);
        let place = self.place(wanted.level);
        let what = format!("{}, {}", wanted.name, place.name());
        let (login, owner) = (quoted(&subject.login), &rights.database_owner);
        let line = format!("{} = {}", wanted.name, wanted.value);
        let mut sql = vec![place.statement(&wanted.name, Some(&wanted.value))];
        let (why, grant) = match refused {
            Refused::File => {
                let text = format!("in postgresql.conf, then a reload (allow_alter_system is off):\n{line}");
                return Planned::Advice { what, is: format!("{is} ({from})"), text };
            }
            // Membership in a superuser would give far more than this.
            Refused::Database if rights.owner_is_super => {
                (format!("only a superuser may alter the database, which {owner} owns"), Vec::new())
            }
            Refused::Database => (
                format!("only {owner}, who owns the database, or a superuser may alter it"),
                vec![format!("GRANT {} TO {login}", quoted(owner))],
            ),
            Refused::Setting => {
                let mut grant = Vec::new();
                if subject.major() >= 15 {
                    grant.push(format!("GRANT SET ON PARAMETER {} TO {login}", wanted.name));
                }
                (
                    format!(
                        "only a superuser may set {}, or a role with the right to set this parameter",
                        wanted.name
                    ),
                    grant,
                )
            }
            Refused::Role if rights.role_is_super => {
                (format!("{} is a superuser, whom only a superuser may alter", subject.role), Vec::new())
            }
            Refused::Role => {
                let mut grant = vec![format!("ALTER ROLE {login} CREATEROLE")];
                if subject.major() >= 16 {
                    grant.push(format!("GRANT {} TO {login} WITH ADMIN OPTION", quoted(&subject.role)));
                }
                (format!("role {} may not alter role {}", subject.login, subject.role), grant)
            }
            Refused::Server => {
                sql.push(RELOAD.to_owned());
                let why = format!(
                    "role {} may write no settings of the server, nor set this one for the database; in postgresql.conf: {line}",
                    subject.login
                );
                (why, self.grants_of_server(wanted))
            }
        };
        Planned::Missing { what, is, from, will: wanted.value.clone(), why, grant, sql }
    }

    fn grants_of_server(&self, wanted: &Wanted) -> Vec<String> {
        let (subject, rights) = (&self.situation.subject, &self.situation.rights);
        if subject.major() < 15 {
            return Vec::new();
        }
        let login = quoted(&subject.login);
        let mut grants = vec![format!("GRANT ALTER SYSTEM ON PARAMETER {} TO {login}", wanted.name)];
        if !rights.reload {
            grants.push(format!("GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO {login}"));
        }
        if !rights.read_files {
            grants
                .push(format!("GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO {login}"));
            grants.push(format!("GRANT SELECT ON pg_catalog.pg_file_settings TO {login}"));
        }
        grants
    }
}

/// At which level the role that asks was refused.
#[derive(Clone, Copy, Debug)]
enum Refused {
    Database,
    Role,
    /// The place could be written, and not this setting.
    Setting,
    Server,
    /// Nobody may write the server's settings by SQL.
    File,
}

/// The extension that collects statements.
fn statements(situation: &Situation) -> Vec<Planned> {
    let found = &situation.statements;
    let what = format!("extension {STATEMENTS}, database {}", situation.subject.database);
    let create = format!("CREATE EXTENSION IF NOT EXISTS {STATEMENTS}");
    let exists = format!("EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = '{STATEMENTS}')");
    let mut all = Vec::new();
    all.push(match (&found.installed, found.available) {
        (Some(version), _) => Planned::Already {
            what: what.clone(),
            is: format!("installed, {version}"),
            from: "pg_extension".to_owned(),
            reading: Reading::Probe { probe: Probe::sql(format!("SELECT {exists}")) },
        },
        (None, false) => Planned::Advice {
            what: what.clone(),
            is: "not on the server's disk".to_owned(),
            text: "install the server's package of additional modules (Debian: postgresql-contrib, or the server's own package)"
                .to_owned(),
        },
        (None, true) if situation.rights.all => Planned::Step(Box::new(Step {
            what: what.clone(),
            why: WHY_STATEMENTS.to_owned(),
            is: "not installed".to_owned(),
            from: "pg_extension".to_owned(),
            will: "installed".to_owned(),
            run: vec![create],
            undo: vec![format!("DROP EXTENSION {STATEMENTS}")],
            effect: Effect::Now,
            before: Probe::sql(format!("SELECT NOT {exists}")),
            after: Probe::sql(format!("SELECT {exists}")),
            reading: Reading::Probe { probe: Probe::sql(format!("SELECT {exists}")) },
            note: None,
        })),
        (None, true) => Planned::Missing {
            what: what.clone(),
            is: "not installed".to_owned(),
            from: "pg_extension".to_owned(),
            will: "installed".to_owned(),
            why: "only a superuser may install it, since it is no trusted extension".to_owned(),
            grant: Vec::new(),
            sql: vec![create],
        },
    });
    if !found.loaded {
        let list = match found.preloaded.as_deref() {
            Some("") => format!("'{STATEMENTS}'"),
            Some(there) => format!("'{there},{STATEMENTS}'"),
            None => format!("'{STATEMENTS}'  # behind those that are there, which this role may not see"),
        };
        all.push(Planned::Advice {
            what: format!(
                "shared_preload_libraries, server: {STATEMENTS} collects nothing until the server loads it"
            ),
            is: found.preloaded.clone().map_or("not to be seen".to_owned(), |there| format!("'{there}'")),
            text: format!("in postgresql.conf, then a restart:\nshared_preload_libraries = {list}"),
        });
    }
    all
}

#[cfg(test)]
mod tests;
