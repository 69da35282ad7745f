//! Settings: what was said, what was checked, and everything that is wrong in between.
//!
//! There are four ways to treat a bad setting. One can panic in the setter, panic later, quietly put another value in
//! its place, or not look. All four have been shipped, and all four are found out at night. Here a [`Settings`] holds
//! what was said and promises nothing; [`Settings::check`] answers either with a [`Plan`], which is the only thing a
//! pool can be opened with, or with a [`SettingsError`] that holds every problem at once, each with its key, its
//! value, what would have been allowed and the remedy.
//!
//! | said in | read by |
//! |---|---|
//! | the environment | [`Settings::from_env`] |
//! | a TOML or JSON file | [`Settings::from_file`], [`Settings::from_toml`], [`Settings::from_json`] |
//! | both, and the environment is stronger | [`Settings::load`] |
//! | a program's own configuration, in any format of serde | `Settings` is `Deserialize` |
//! | a connection URL or key=value string | [`Settings::from_url`], [`Settings::url`] |
//! | code | the setters, which are stronger than what was there before |
//!
//! In all of them, what was said is stronger than a [`Profile`], and a profile is stronger than a default.
//!
//! The list of settings itself is `table.rs`; the rest of the floor is one file a question: how a value is read
//! (`value`, `duration`, `words`, `host`), where it is read (`environment`, `document`, `json`, `dsn`), what it becomes
//! (`check`, `order`, `profile`, `handshake`, `plan`), and how all that is told (`problem`, `reference`).

mod check;
mod definition;
mod document;
mod dsn;
mod duration;
mod environment;
mod handshake;
mod host;
mod json;
mod order;
mod plan;
mod problem;
mod profile;
mod reference;
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
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, Profile, TargetSessionAttrs, TlsMode,
};

use std::fmt;
use std::path::{Path, PathBuf};

use duration::Bare;
use problem::{STARS, meant, repeated};

use crate::secret::Secret;

/// Whole sources, and the two settings that are more than one value.
impl Settings {
    /// The file if there is one, and the environment over it.
    ///
    /// What is wrong in either is reported together.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let said_in_file = file.map(Self::said_in_file).unwrap_or_default();
        Self::said_in_env().or(said_in_file).or_problems()
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

    /// Says all that a connection URL or `key=value` string says; what cannot be read is reported by `check`.
    #[must_use]
    pub fn url(mut self, url: impl Into<Secret>) -> Self {
        dsn::read(&url.into(), "url", &mut self);
        self
    }

    /// The servers, in the order in which they are tried: `db1,db2:5433,/run/postgresql`. What cannot be read is
    /// reported by `check`.
    #[must_use]
    pub fn hosts(mut self, hosts: impl AsRef<str>) -> Self {
        self.say("hosts", "hosts", hosts.as_ref(), Bare::Refused);
        self
    }

    /// The certificates against which a server's certificate is verified: a PEM file, or `system`. Only the `verify`
    /// modes look at it, so setting it with a weaker `sslmode` is refused.
    #[must_use]
    pub fn sslrootcert(mut self, path: impl Into<PathBuf>) -> Self {
        self.sslrootcert = Some(TlsRoots::at(path.into()));
        self
    }

    /// Names a profile, beside those that were named before.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile.get_or_insert_default().push(profile);
        self
    }

    /// Says one setting by its name; `key` is how it was written where it was said.
    fn say(&mut self, name: &str, key: &str, text: &str, bare: Bare) {
        let Some(definition) = definition_of(name) else {
            self.problems.push(unknown(key, name, table().iter().map(|known| known.name)));
            return;
        };
        let text = match definition.kind {
            Kind::Text | Kind::Secret | Kind::Path => text,
            _ => text.trim(),
        };
        if (definition.put)(self, text, bare) {
            return;
        }
        let value = if definition.kind == Kind::Secret { STARS.to_owned() } else { repeated(text) };
        let is_time = matches!(definition.kind, Kind::Duration | Kind::Limit);
        let remedy = match definition.kind {
            _ if is_time && text.parse::<u64>().is_ok() => {
                format!("say the unit: {text}s if seconds are meant, {text}ms if milliseconds")
            }
            Kind::Word(words) | Kind::Words(words) => {
                let unknown = text.split([',', '+']).map(str::trim).find(|word| !words.contains(word));
                match meant(unknown.unwrap_or(text), words.iter().copied()) {
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

/// Only what was said, secrets as stars.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        for definition in table() {
            if let Some(value) = definition.said(self) {
                let value = match definition.kind {
                    Kind::Text | Kind::Path => repeated(&value),
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

/// A key that nobody knows. Its value is not repeated: it may be a password under a misspelt name.
fn unknown(key: &str, name: &str, known: impl IntoIterator<Item = &'static str>) -> Problem {
    let remedy = match meant(name, known) {
        Some(word) => format!("did you mean {word}?"),
        None => "leave it out, or look it up in docs/settings.md".to_owned(),
    };
    Problem::new(repeated_key(key), "unknown", "a setting that exists", remedy)
}

/// A key as it may stand in a message: on one line, and not at any length.
fn repeated_key(key: &str) -> String {
    let shown: String = key.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.trim().is_empty() { "an empty key".to_owned() } else { shown }
}
