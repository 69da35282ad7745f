//! Settings from environment variables.
//!
//! The location of the database can be given in three ways, and the first one of which anything is set counts:
//! `DATABASE_URL` (or `PLIMSOLL_URL`), then the variables `PG_HOST`, `PG_PORT`, `PG_DB`, `PG_USER` and `PG_PASS`, then
//! the same with `POSTGRES_`. They are not mixed, and a contradiction between them is no error, because images and
//! compose files set `POSTGRES_*` for the server's own use: a password from there, combined with a user from another
//! place, would be hard to explain. Falling back to a whole group is easy to document and easy to see.
//!
//! Everything else has a variable of its own, `PLIMSOLL_` and the name of the setting. It is stronger than the groups
//! and than the older names (`DATABASE_QUERY_TIMEOUT` and the like, where a number without a unit means seconds). An
//! empty variable counts as not set, since that is what `${VALUE:-}` leaves. An unknown variable that begins with
//! `PLIMSOLL_` is refused: a limit whose name is misspelt would limit nothing.

use std::collections::BTreeMap;

use super::dsn;
use super::duration::Unitless;
use super::problem::{Problem, SettingsError, printable};
use super::table::{Settings, table};
use super::unknown;
use super::value::Value;
use super::words::PoolerMode;
use crate::secret::Secret;

/// Variables that begin with `PLIMSOLL_` and belong to tools and tests, as do all that begin with [`OF_TESTS`].
const NOT_SETTINGS: [&str; 4] =
    ["PLIMSOLL_PG_BIN", "PLIMSOLL_PG_VERSION", "PLIMSOLL_PGBOUNCER", "PLIMSOLL_BLESS"];

const OF_TESTS: &str = "PLIMSOLL_TEST_";

/// The variables of each group, and the settings that they mean; the later ones of a group are stronger.
const GROUPS: [&[(&str, &str)]; 2] = [
    &[
        ("PG_HOST", "hosts"),
        ("PG_PORT", "port"),
        ("PG_DB", "dbname"),
        ("PG_USER", "user"),
        ("PG_PASS", "password"),
    ],
    &[
        ("POSTGRES_HOST", "hosts"),
        ("POSTGRES_PORT", "port"),
        ("POSTGRES_DB", "dbname"),
        ("POSTGRES_USER", "user"),
        ("POSTGRES_PASS", "password"),
        ("POSTGRES_PASSWORD", "password"),
    ],
];

/// The variables that hold a whole URL; the first one that is set counts.
const URLS: [&str; 2] = ["PLIMSOLL_URL", "DATABASE_URL"];

/// Means `pooler = transaction` if it is true, and nothing otherwise.
const USE_PGBOUNCER: &str = "USE_PGBOUNCER";

impl Settings {
    /// The settings in this process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read_environment().or_problems()
    }

    /// The settings in an environment that can be asked only for single variables. Unknown variables are not noticed,
    /// because it cannot be searched; [`from_vars`](Self::from_vars) notices them.
    pub fn from_env_with(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let asked = variables().into_iter().filter_map(|key| variable(&key).map(|value| (key, value)));
        Self::from_vars(asked)
    }

    /// The settings in these variables.
    pub fn from_vars(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        Self::read_variables(variables).or_problems()
    }

    pub(super) fn read_environment() -> Self {
        let mut unreadable = Vec::new();
        let known = variables();
        let variables: Vec<_> = std::env::vars_os()
            .filter_map(|(key, value)| {
                let key = key.into_string().ok()?;
                match value.into_string() {
                    Ok(value) => Some((key, value)),
                    Err(_) => {
                        if known.contains(&key) {
                            unreadable.push(Problem::new(key, "not UTF-8", "UTF-8", "write it in UTF-8"));
                        }
                        None
                    }
                }
            })
            .collect();
        let mut settings = Self::read_variables(variables);
        settings.problems.extend(unreadable);
        settings
    }

    fn read_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let set: BTreeMap<String, String> =
            variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut settings = Self::default();
        settings.assign_location(&set);
        settings.assign_older_names(&set);
        for definition in table() {
            let key = definition.variable();
            if let Some(value) = set.get(&key) {
                settings.assign(definition.name, &key, value, Unitless::Refused);
            }
        }
        let known = self::variables();
        let of_tools = |key: &str| NOT_SETTINGS.contains(&key) || key.starts_with(OF_TESTS);
        for key in set.keys().filter(|key| key.starts_with("PLIMSOLL_")) {
            if !known.contains(key) && !of_tools(key) {
                settings.problems.push(unknown_variable(key, &known));
            }
        }
        settings
    }

    /// The location of the database, from the first group of which anything is set.
    fn assign_location(&mut self, set: &BTreeMap<String, String>) {
        if let Some((key, url)) = URLS.iter().find_map(|key| Some((key, set.get(*key)?))) {
            dsn::read(&Secret::from(url.as_str()), key, self);
            return;
        }
        let Some(group) = GROUPS.iter().find(|group| group.iter().any(|(key, _)| set.contains_key(*key)))
        else {
            return;
        };
        for (key, name) in *group {
            if let Some(value) = set.get(*key) {
                self.assign(name, key, value, Unitless::Refused);
            }
        }
    }

    /// The variables by which other programs call the same settings.
    fn assign_older_names(&mut self, set: &BTreeMap<String, String>) {
        for definition in table() {
            for key in definition.also {
                if let Some(value) = set.get(*key) {
                    self.assign(definition.name, key, value, Unitless::Seconds);
                }
            }
        }
        let Some(value) = set.get(USE_PGBOUNCER) else { return };
        match bool::read(value, Unitless::Refused) {
            Some(true) => self.pooler = Some(PoolerMode::Transaction),
            Some(false) => {}
            None => self.problems.push(Problem::new(
                USE_PGBOUNCER,
                printable(value),
                "true or false",
                "say true behind a transaction pooler, else leave it out",
            )),
        }
    }
}

/// Every known variable.
fn variables() -> Vec<String> {
    let own = table().iter().map(|definition| definition.variable());
    let others = table().iter().flat_map(|definition| definition.also).copied();
    let groups = GROUPS.iter().flat_map(|group| group.iter()).map(|(key, _)| *key);
    let others = others.chain(groups).chain(URLS).chain([USE_PGBOUNCER]);
    own.chain(others.map(str::to_owned)).collect()
}

fn unknown_variable(key: &str, known: &[String]) -> Problem {
    let mut problem = unknown(key, key, []);
    if let Some(meant) = super::problem::closest(key, known.iter().map(String::as_str)) {
        problem.remedy = format!("did you mean {meant}?");
    }
    problem
}
