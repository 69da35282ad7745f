//! What is there now: the settings with their levels, and what the role that asks may change.

use super::level::Level;
use crate::answer::{Row, Unreadable, rows};
use crate::checks::Thresholds;
use crate::checks::check::Answers;
use crate::checks::role_settings::{self, ROLE_SETTINGS, RoleSetting, is_on};
use crate::checks::run::{self, Asking, NotAsked, QUESTION_LIMIT};
use crate::checks::setting_value::SettingValue;
use crate::checks::subject::Subject;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage};

const RIGHTS: &str = include_str!("situation.sql");
const SAID: &str = include_str!("said.sql");
const FILES: &str = include_str!("files.sql");

/// What single parameters were granted, of those that not every role may set.
const PARAMETERS: &str = "SELECT lower(name) AS parameter, pg_catalog.has_parameter_privilege(name, 'SET') AS may_set, \
                          pg_catalog.has_parameter_privilege(name, 'ALTER SYSTEM') AS may_alter_system \
                          FROM pg_catalog.pg_settings WHERE context <> 'user' OR pg_catalog.has_parameter_privilege(name, 'ALTER SYSTEM')";

/// What is there now.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The server, the database and the two roles.
    pub subject: Subject,
    /// The settings as a new session of the application's role has them, by their names in lower case.
    pub(crate) settings: BTreeMap<String, RoleSetting>,
    /// Who may set each: `user`, `superuser`, `sighup`, `postmaster` ..
    pub(crate) contexts: BTreeMap<String, String>,
    /// What is said at a level.
    pub(crate) said: BTreeMap<(Level, String), String>,
    pub(crate) rights: Rights,
    /// The parameters that the role that asks may set, and those that it may write by `ALTER SYSTEM`, if it is no superuser.
    pub(crate) may_set: BTreeMap<String, (bool, bool)>,
    pub(crate) statements: Statements,
}

/// What the role that asks may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) all: bool,
    pub(crate) make_roles: bool,
    pub(crate) database: bool,
    pub(crate) database_owner: String,
    pub(crate) owner_is_super: bool,
    /// Some who may do all.
    pub(crate) superusers: String,
    pub(crate) role_is_super: bool,
    pub(crate) role_is_me: bool,
    pub(crate) admin_role: bool,
    pub(crate) reload: bool,
    pub(crate) read_files: bool,
    pub(crate) alter_system_is_off: bool,
}

/// The extension that collects statements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statements {
    pub(crate) loaded: bool,
    pub(crate) installed: Option<String>,
    pub(crate) available: bool,
    /// The libraries that the server loads at its start; `None` if the role that asks may not see them.
    pub(crate) preloaded: Option<String>,
}

/// Asks what is there, about the subject's role.
///
/// # Errors
/// The server does not answer, or not like a PostgreSQL.
///
/// # Cancel safety
/// Dropping it leaves the question under way running for at most [`QUESTION_LIMIT`].
pub async fn learn(client: &Client, subject: Subject, until: Instant) -> Result<Situation, NotAsked> {
    let role = subject.role.clone();
    let settings = ask(client, ROLE_SETTINGS, &role, until).await?;
    let mut found = Situation {
        settings: in_lower_case(role_settings::read(&Answers(vec![settings.as_slice()]))?),
        contexts: contexts(&settings)?,
        rights: Rights::default(),
        ..Situation::default()
    };
    found.read_said(&ask(client, SAID, &role, until).await?)?;
    let rights = ask(client, RIGHTS, &role, until).await?;
    for row in rows(&rights) {
        found.rights = Rights::read(row)?;
        found.statements = Statements::read(row)?;
    }
    if found.rights.read_files {
        found.read_said(&ask(client, FILES, &role, until).await?)?;
    }
    if subject.major() >= 15 && !found.rights.all {
        for row in rows(&ask(client, PARAMETERS, &role, until).await?).filter(|row| row.has("may_set")) {
            let name = row.text("parameter")?.unwrap_or_default().to_owned();
            found.may_set.insert(name, (row.flag("may_set")?, row.flag("may_alter_system")?));
        }
    }
    found.subject = subject;
    Ok(found)
}

/// Asks one question about a role, in a transaction that only reads.
///
/// # Errors
/// The server does not answer, or refuses.
///
/// # Cancel safety
/// Dropping it leaves the question running for at most [`QUESTION_LIMIT`].
pub async fn ask(
    client: &Client,
    question: &str,
    role: &str,
    until: Instant,
) -> Result<Vec<SimpleQueryMessage>, NotAsked> {
    let by = until.min(Instant::now() + QUESTION_LIMIT + Duration::from_secs(1));
    run::question(client, question, &Asking { role, thresholds: Thresholds::default() }, by).await
}

/// The setting as a new session of the application's role has it, asked of the catalogs: its value and where that comes from. A
/// value of nothing cannot be known by the role that asks.
///
/// # Errors
/// The server does not answer, or refuses.
///
/// # Cancel safety
/// As [`ask`].
pub async fn as_the_role_has_it(
    client: &Client,
    setting: &str,
    role: &str,
    until: Instant,
) -> Result<Option<(Option<String>, String)>, NotAsked> {
    let answer = ask(client, ROLE_SETTINGS, role, until).await?;
    let settings = role_settings::read(&Answers(vec![answer.as_slice()]))?;
    let settings = in_lower_case(settings);
    Ok(settings
        .get(&setting.to_ascii_lowercase())
        .map(|known| (known.text.as_ref().map(|_| known.shown()), known.source.clone())))
}

/// Whether two texts are the same value of a setting: `1s` and `1000` are, where the setting's own unit is `ms`.
#[must_use]
pub fn is_same(one: &str, other: &str, unit: Option<&str>) -> bool {
    if one == other {
        return true;
    }
    match (SettingValue::read(one, unit), SettingValue::read(other, unit)) {
        (Some(one), Some(other)) => one == other,
        _ => unit.is_none() && is_on(one).is_some() && is_on(one) == is_on(other),
    }
}

/// Whether a text is a number of this unit within this range, as `pg_settings` has both.
#[must_use]
pub fn is_within(text: &str, unit: &str, range: &[String; 2]) -> bool {
    let unit = (!unit.is_empty()).then_some(unit);
    let is_time = |unit: &str| {
        matches!(unit.trim_start_matches(|c: char| c.is_ascii_digit()), "us" | "ms" | "s" | "min" | "h" | "d")
    };
    let own =
        text.trim().trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | ' '));
    // A size is no time, and what has no unit takes none.
    if !own.is_empty() && unit.is_none_or(|unit| is_time(unit) != is_time(own)) {
        return false;
    }
    let read = |text: &str| SettingValue::read(text, unit);
    let (Some(value), Some(least), Some(most)) = (read(text), read(&range[0]), read(&range[1])) else {
        return false;
    };
    least <= value && value <= most
}

/// By names as they are compared: PostgreSQL's have no case (`TimeZone`).
fn in_lower_case(settings: BTreeMap<String, RoleSetting>) -> BTreeMap<String, RoleSetting> {
    settings.into_iter().map(|(name, setting)| (name.to_ascii_lowercase(), setting)).collect()
}

fn contexts(answer: &[SimpleQueryMessage]) -> Result<BTreeMap<String, String>, Unreadable> {
    let mut contexts = BTreeMap::new();
    for row in rows(answer).filter(|row| row.has("setting_context")) {
        let (name, context) = (row.text("setting_name")?, row.text("setting_context")?);
        contexts
            .insert(name.unwrap_or_default().to_ascii_lowercase(), context.unwrap_or_default().to_owned());
    }
    Ok(contexts)
}

impl Situation {
    fn read_said(&mut self, answer: &[SimpleQueryMessage]) -> Result<(), Unreadable> {
        for row in rows(answer).filter(|row| row.has("said_level")) {
            let level = match row.text("said_level")? {
                Some("database") => Level::Database,
                Some("role") => Level::Role,
                Some("role_in_database") => Level::RoleInDatabase,
                _ => Level::Server,
            };
            let (name, value) = (row.text("said_name")?, row.text("said_value")?);
            self.said
                .insert((level, name.unwrap_or_default().to_owned()), value.unwrap_or_default().to_owned());
        }
        Ok(())
    }
}

impl Rights {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        Ok(Rights {
            all: row.flag("may_all")?,
            make_roles: row.flag("may_make_roles")?,
            database: row.flag("may_database")?,
            database_owner: row.text("database_owner")?.unwrap_or_default().to_owned(),
            owner_is_super: row.flag("owner_is_super")?,
            superusers: row.text("superusers")?.unwrap_or("no role that logs in").to_owned(),
            role_is_super: row.flag("role_is_super")?,
            role_is_me: row.flag("role_is_me")?,
            admin_role: row.flag("may_admin_role")?,
            reload: row.flag("may_reload")?,
            read_files: row.flag("may_read_files")?,
            alter_system_is_off: row.flag("alter_system_is_off")?,
        })
    }
}

impl Statements {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        Ok(Statements {
            loaded: row.flag("statements_loaded")?,
            installed: row.text("statements_installed")?.map(str::to_owned),
            available: row.flag("statements_available")?,
            preloaded: row.text("preloaded")?.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn values_are_compared_as_postgresql_reads_them() {
        assert!(
            is_same("1s", "1000", Some("ms"))
                && is_same("on", "true", None)
                && is_same("30s", "0.5min", Some("ms"))
        );
        assert!(
            !is_same("1s", "1000", Some("s"))
                && !is_same("on", "off", None)
                && !is_same("0", "off", Some("ms"))
        );
    }
}
