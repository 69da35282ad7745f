//! Settings: what the program gave, the checked plan, and every problem between the two.
//!
//! A bad setting can be treated in four ways: a panic in the setter, a later panic, another value put silently in its
//! place, or no check at all. All four exist in released software, and all four are noticed in production. Here a
//! [`Settings`] holds what was given and promises nothing; [`Settings::check`] returns either a [`Plan`], the only
//! thing that a pool can be opened with, or a [`SettingsError`] that holds every problem at once, each with its key,
//! its value, the allowed values and the remedy.
//!
//! | source | read by |
//! |---|---|
//! | the environment | [`Settings::from_env`] |
//! | a TOML or JSON file | [`Settings::from_file`], [`Settings::from_toml`], [`Settings::from_json`] |
//! | both; the environment is stronger | [`Settings::load`] |
//! | a program's own configuration, in any format of serde | `Settings` is `Deserialize` |
//! | a connection URL or key=value string | [`Settings::from_url`], [`Settings::url`] |
//! | what psql reads: a string, a service, the variables `PG..`, `~/.pgpass` | [`Settings::from_libpq`] |
//! | code | the setters, which overwrite what was there before |
//!
//! In all of them, a value that was set is stronger than a [`Profile`], and a profile is stronger than a default.
//!
//! The list of settings is `table/`; it makes `Settings` and `Plan`. The other files answer one question each:
//!
//! | question | files |
//! |---|---|
//! | how is a value read? | `value`, `duration`, `words`, `host`, `parts` |
//! | where is it read? | `environment`, `document`, `json`, `dsn`, `service`, `libpq`; `passfile` at each connect |
//! | what becomes of it? | `check`, `order`, `profile`, `handshake`, `listen`, `plan` |
//! | how is that reported? | `problem`, `reference` |
//! | what is a setting, and what does the table make of it? | `definition` |

mod check;
mod definition;
mod document;
mod dsn;
mod duration;
mod environment;
mod handshake;
mod host;
mod json;
mod libpq;
mod listen;
mod order;
mod parts;
pub(crate) mod passfile;
mod plan;
mod problem;
mod profile;
mod reference;
mod service;
mod table;
mod value;
mod words;

pub use definition::{Definition, Kind, Range};
pub use duration::Limit;
pub use host::{Address, Host};
pub use plan::{Keepalives, TlsRoots};
pub use problem::{Problem, SettingsError};
pub use reference::reference;
pub use table::{Plan, Settings, table};
/// The first name of [`Enforcement`], for programs that were written with it.
#[doc(hidden)]
pub use words::Enforcement as GuardMode;
pub use words::{
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, Profile, ReplicaFallback, SlowParameters,
    TargetSessionAttrs, TlsMode,
};

use std::fmt;
use std::path::{Path, PathBuf};

use duration::Unitless;
use problem::{STARS, closest, printable};

use crate::secret::Secret;

/// Whole sources, and the setters that the table does not make.
impl Settings {
    /// The settings of the file, if one is named, and those of the environment, which are stronger.
    ///
    /// The problems of both are reported together.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let from_file = file.map(Self::read_file).unwrap_or_default();
        Self::read_environment().or(from_file).or_problems()
    }

    /// A connection URL (`postgres://…`), or a string of `key=value` pairs as libpq reads them.
    ///
    /// ```
    /// # use plimsoll::settings::Settings;
    /// let plan = Settings::from_url("postgres://app:hunter2@db1,db2:5433/orders?connect_timeout=5")?.check()?;
    /// assert_eq!(plan.hosts().len(), 2);
    /// assert!(!format!("{plan:?}").contains("hunter2"));
    /// # Ok::<(), plimsoll::settings::SettingsError>(())
    /// ```
    pub fn from_url(url: impl Into<Secret>) -> Result<Self, SettingsError> {
        Self::default().url(url).or_problems()
    }

    /// Sets everything that a connection URL or `key=value` string contains. `check` reports what cannot be read.
    #[must_use]
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        dsn::read(&url.into(), "url", &mut self);
        self
    }

    /// The servers, in the order in which they are tried: `db1,db2:5433,/run/postgresql`. `check`
    /// reports what cannot be read.
    #[must_use]
    pub fn hosts(mut self, hosts: impl AsRef<str>) -> Self {
        self.assign("hosts", "hosts", hosts.as_ref(), Unitless::Refused);
        self
    }

    /// The servers that reads may go to, in the form of [`Settings::hosts`]. `check` reports what cannot be read.
    #[must_use]
    pub fn replica_hosts(mut self, hosts: impl AsRef<str>) -> Self {
        self.assign("replica_hosts", "replica_hosts", hosts.as_ref(), Unitless::Refused);
        self
    }

    /// The certificates against which a server's certificate is verified: a PEM file, or `system`, which needs
    /// `verify-full`. `require` beside a file verifies as `verify-ca` does. `disable` and `prefer` would not be held to
    /// it, so setting it with them is refused.
    #[must_use]
    pub fn sslrootcert(mut self, path: impl Into<PathBuf>) -> Self {
        self.sslrootcert = Some(TlsRoots::at(path.into()));
        self
    }

    /// A connection URL for listeners alone, past a pooler: see `docs/settings.md`. `check` reports what cannot be read.
    #[must_use]
    pub fn listen_url(mut self, url: impl Into<Secret>) -> Self {
        self.listen_url = Some(url.into().into());
        self
    }

    /// Names a profile, in addition to those named before.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile.get_or_insert_default().push(profile);
        self
    }

    /// Sets one setting by its name; `key` is how its source calls it.
    fn assign(&mut self, name: &str, key: &str, text: &str, unitless: Unitless) {
        let Some(definition) = definition_of(name) else {
            self.problems.push(unknown(key, name, table().iter().map(|known| known.name)));
            return;
        };
        let text = match definition.kind {
            Kind::Text | Kind::Secret | Kind::Path => text,
            _ => text.trim(),
        };
        if (definition.put)(self, text, unitless) {
            return;
        }
        let value = if definition.kind == Kind::Secret { STARS.to_owned() } else { printable(text) };
        let is_time = matches!(definition.kind, Kind::Duration | Kind::Limit);
        let remedy = match definition.kind {
            _ if is_time && text.parse::<u64>().is_ok() => {
                format!("say the unit: {text}s if seconds are meant, {text}ms if milliseconds")
            }
            Kind::Word(words) | Kind::Words(words) => {
                let unknown = text.split([',', '+']).map(str::trim).find(|word| !words.contains(word));
                match closest(unknown.unwrap_or(text), words.iter().copied()) {
                    Some(word) => format!("did you mean {word}?"),
                    None => "choose among these".to_owned(),
                }
            }
            _ => "write it so".to_owned(),
        };
        let problem = Problem::new(key, value, definition.allowed(), remedy);
        self.problems.push(problem.about(definition.name));
    }
}

/// Only what was set, secrets as stars.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        for definition in table() {
            if let Some(value) = definition.said(self) {
                let value = match definition.kind {
                    Kind::Text | Kind::Path => printable(&value),
                    _ => value,
                };
                shown.field(definition.name, &format_args!("{value}"));
            }
        }
        if !self.problems.is_empty() {
            shown.field("problems", &self.problems);
        }
        shown.finish()
    }
}

fn definition_of(name: &str) -> Option<&'static Definition> {
    table().iter().find(|definition| definition.name == name)
}

/// An unknown key. Its value is not printed: it may be a password under a misspelt name.
fn unknown(key: &str, name: &str, known: impl IntoIterator<Item = &'static str>) -> Problem {
    let remedy = match closest(name, known) {
        Some(word) => format!("did you mean {word}?"),
        None => "leave it out, or look it up in docs/settings.md".to_owned(),
    };
    Problem::new(printable_key(key), "unknown", "a setting that exists", remedy)
}

/// A key as it may stand in a message: on one line, at most 80 characters.
fn printable_key(key: &str) -> String {
    let shown: String = key.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.trim().is_empty() { "an empty key".to_owned() } else { shown }
}
