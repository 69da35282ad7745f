//! Settings from environment variables.
//!
//! Where the database is can be said in three ways, and the first of which anything is said is the one that counts:
//! `DATABASE_URL` (or `PLIMSOLL_URL`), then the variables `PG_HOST`, `PG_PORT`, `PG_DB`, `PG_USER` and `PG_PASS`, then
//! the same with `POSTGRES_`. They are not mixed and a contradiction between them is not an error, because images and
//! compose files set `POSTGRES_*` for the server's own use, and a password taken from there for a user from elsewhere
//! would be a riddle. The fallback of a whole branch is easy to say and easy to see.
//!
//! Everything else has a variable of its own, `PLIMSOLL_` and the name of the setting, which is also stronger than the
//! branches and than the older names (`DATABASE_QUERY_TIMEOUT` and its like, where a bare number means seconds). A
//! variable that is empty counts as not set, since that is what `${VALUE:-}` leaves behind. A variable that begins
//! with `PLIMSOLL_` and means nothing is refused: a limit with a typing error in its name protects nobody.

use std::collections::BTreeMap;

use super::dsn;
use super::duration::Bare;
use super::problem::{Problem, SettingsError, repeated};
use super::table::{Settings, table};
use super::unknown;
use super::value::Value;
use super::words::PoolerMode;
use crate::secret::Secret;

/// Variables that begin with `PLIMSOLL_` and belong to tools and tests, as do all that begin with [`OF_TESTS`].
const NOT_SETTINGS: [&str; 4] =
    ["PLIMSOLL_PG_BIN", "PLIMSOLL_PG_VERSION", "PLIMSOLL_PGBOUNCER", "PLIMSOLL_BLESS"];

const OF_TESTS: &str = "PLIMSOLL_TEST_";

/// The variables of each branch, and what they say; earlier ones are weaker.
const BRANCHES: [&[(&str, &str)]; 2] = [
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

/// The variables that say a whole URL; the first that is set counts.
const URLS: [&str; 2] = ["PLIMSOLL_URL", "DATABASE_URL"];

/// Stands for `pooler = transaction` when it is true, and for nothing when it is not.
const USE_PGBOUNCER: &str = "USE_PGBOUNCER";

impl Settings {
    /// What this process's environment says.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::said_in_env().or_problems()
    }

    /// What an environment says that answers for single variables. It cannot be searched, so variables that nobody
    /// knows go unnoticed; [`from_vars`](Self::from_vars) notices them.
    pub fn from_env_with(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let asked = variables().into_iter().filter_map(|key| variable(&key).map(|value| (key, value)));
        Self::from_vars(asked)
    }

    /// What these variables say.
    pub fn from_vars(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingsError> {
        Self::said_in_vars(variables).or_problems()
    }

    pub(super) fn said_in_env() -> Self {
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
        let mut settings = Self::said_in_vars(variables);
        settings.problems.extend(unreadable);
        settings
    }

    fn said_in_vars(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let set: BTreeMap<String, String> =
            variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut settings = Self::default();
        settings.say_where(&set);
        settings.say_older_names(&set);
        for definition in table() {
            let key = definition.variable();
            if let Some(value) = set.get(&key) {
                settings.say(definition.name, &key, value, Bare::Refused);
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

    /// Where the database is: the first branch of which anything is set.
    fn say_where(&mut self, set: &BTreeMap<String, String>) {
        if let Some((key, url)) = URLS.iter().find_map(|key| Some((key, set.get(*key)?))) {
            dsn::read(&Secret::from(url.as_str()), key, self);
            return;
        }
        let Some(branch) =
            BRANCHES.iter().find(|branch| branch.iter().any(|(key, _)| set.contains_key(*key)))
        else {
            return;
        };
        for (key, name) in *branch {
            if let Some(value) = set.get(*key) {
                self.say(name, key, value, Bare::Refused);
            }
        }
    }

    /// The names that others gave to the same settings.
    fn say_older_names(&mut self, set: &BTreeMap<String, String>) {
        for definition in table() {
            for key in definition.also {
                if let Some(value) = set.get(*key) {
                    self.say(definition.name, key, value, Bare::Seconds);
                }
            }
        }
        let Some(value) = set.get(USE_PGBOUNCER) else { return };
        match bool::read(value, Bare::Refused) {
            Some(true) => self.pooler = Some(PoolerMode::Transaction),
            Some(false) => {}
            None => self.problems.push(Problem::new(
                USE_PGBOUNCER,
                repeated(value),
                "true or false",
                "say true behind a transaction pooler, else leave it out",
            )),
        }
    }
}

/// Every variable that means something here.
fn variables() -> Vec<String> {
    let own = table().iter().map(|definition| definition.variable());
    let others = table().iter().flat_map(|definition| definition.also).copied();
    let branches = BRANCHES.iter().flat_map(|branch| branch.iter()).map(|(key, _)| *key);
    let others = others.chain(branches).chain(URLS).chain([USE_PGBOUNCER]);
    own.chain(others.map(str::to_owned)).collect()
}

fn unknown_variable(key: &str, known: &[String]) -> Problem {
    let mut problem = unknown(key, key, []);
    if let Some(meant) = super::problem::meant(key, known.iter().map(String::as_str)) {
        problem.remedy = format!("did you mean {meant}?");
    }
    problem
}
