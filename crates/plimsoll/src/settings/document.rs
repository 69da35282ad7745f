//! Settings from a TOML file, or from any document that serde can read.
//!
//! A TOML file holds the settings at its top level. If it has a table `[plimsoll]`, only that table is read, so that a
//! program can keep the settings in a file that it already has. The keys are the names of the settings, and `url`; the
//! other keys of the same document are stronger than `url`. An unknown key is refused, with its line. A file whose
//! name ends in `.json` is read by the same rules (`json.rs`).
//!
//! The same settings may be part of a program's own configuration, in any format (`Settings` is `Deserialize`). There,
//! reading refuses nothing: an error inside another parser would stop at the first problem, and such parsers often
//! quote the line in which they failed, password included. What cannot be used is kept, and [`check`](Settings::check)
//! reports it together with everything else. For the same reason the message of a TOML syntax error is not passed on,
//! only its line number.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use super::dsn;
use super::duration::Unitless;
use super::problem::{Problem, SettingsError};
use super::table::{Settings, table};
use super::{definition_of, printable_key, unknown};
use crate::secret::Secret;

/// The table of a TOML file, or the member of a JSON file, that holds the settings in a file shared with others.
pub(super) const TABLE: &str = "plimsoll";

impl Settings {
    /// The settings in a file: JSON if its name ends in `.json`, else TOML.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Self::read_file(path.as_ref()).or_problems()
    }

    /// The settings in a TOML document.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::read_toml(text, "TOML").or_problems()
    }

    pub(super) fn read_file(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) if is_json(path) => Self::read_json(&text, &path.display().to_string()),
            Ok(text) => Self::read_toml(&text, &path.display().to_string()),
            Err(error) => {
                let key = format!("the file {}", path.display());
                let value = format!("not readable ({error})");
                let remedy = "put the path right, or let this user read it";
                let problem = Problem::new(key, value, "a TOML or JSON file", remedy);
                Self { problems: vec![problem.about("url")], ..Self::default() }
            }
        }
    }

    fn read_toml(text: &str, origin: &str) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        if let Some(error) = errors.first() {
            let line = error.span().map(|span| line(text, span.start));
            let problem = unreadable(origin, line, "not TOML", "key = value, with texts in quotes");
            return Self { problems: vec![problem], ..Self::default() };
        }
        let own = document.get_ref().get(TABLE).map(|value| value.get_ref());
        let given = match own {
            Some(DeValue::Table(own)) => own,
            _ => document.get_ref(),
        };
        let entries = given.iter().map(|(key, value)| {
            let place = format!(" ({origin}, line {})", line(text, key.span().start));
            (key.get_ref().to_string(), place, GivenValue::from_toml(value.get_ref()))
        });
        Self::from_entries(entries.collect())
    }

    /// Sets all entries of a document: the URL first, because the others are stronger.
    pub(super) fn from_entries(mut entries: Vec<(String, String, GivenValue)>) -> Self {
        let mut settings = Self::default();
        entries.sort_by_key(|(name, _, _)| name != "url");
        for (name, place, given) in entries {
            let key = format!("{}{place}", printable_key(&name));
            match given {
                GivenValue::Nothing => {}
                GivenValue::Text(url) if name == "url" => dsn::read(&Secret::from(url), &key, &mut settings),
                GivenValue::Text(text) => settings.assign_entry(&name, &key, &text),
                GivenValue::Other => {
                    let allowed = match definition_of(&name) {
                        Some(definition) => definition.allowed(),
                        None => "a setting that exists, with one value".to_owned(),
                    };
                    let about = definition_of(&name).map_or("", |definition| definition.name);
                    let problem = Problem::new(key, "a group of values", allowed, "give it one value");
                    settings.problems.push(problem.about(about));
                }
            }
        }
        settings
    }

    fn assign_entry(&mut self, name: &str, key: &str, text: &str) {
        if definition_of(name).is_some() {
            self.assign(name, key, text, Unitless::Refused);
        } else {
            let known = table().iter().map(|definition| definition.name).chain(["url"]);
            self.problems.push(unknown(key, name, known));
        }
    }
}

/// Whether a file is JSON by its name.
fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// The problem that a whole document cannot be read.
pub(super) fn unreadable(origin: &str, line: Option<usize>, value: &str, allowed: &str) -> Problem {
    let place = line.map_or_else(String::new, |line| format!(", line {line}"));
    let remedy = "put that line right; it is not repeated here because it may hold a password";
    Problem::new(format!("the document ({origin}{place})"), value, allowed, remedy).about("url")
}

/// The line of a byte in the text, counted from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// One value of a document, as the text from which every setting is read.
pub(super) enum GivenValue {
    /// Null: the same as if the key were missing.
    Nothing,
    Text(String),
    /// A map, a date, or a list of them: no setting has such a value.
    Other,
}

impl GivenValue {
    fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Self::Text(number.to_string()),
                Err(_) => Self::Text(number.as_str().to_owned()),
            },
            DeValue::Float(number) => Self::Text(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Self::Text(flag.to_string()),
            DeValue::Array(items) => Self::list(items.iter().map(|item| Self::from_toml(item.get_ref()))),
            DeValue::Datetime(_) | DeValue::Table(_) => Self::Other,
        }
    }

    /// A list means the same as its members joined by commas.
    fn list(items: impl Iterator<Item = Self>) -> Self {
        let texts = items.map(|item| match item {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::Other => None,
        });
        texts.collect::<Option<Vec<_>>>().map_or(Self::Other, |texts| Self::Text(texts.join(",")))
    }
}

impl<'de> Deserialize<'de> for GivenValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = GivenValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<GivenValue, E> {
        Ok(GivenValue::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<GivenValue, E> {
        Ok(GivenValue::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<GivenValue, E> {
        Ok(GivenValue::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<GivenValue, E> {
        Ok(GivenValue::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<GivenValue, E> {
        Ok(GivenValue::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<GivenValue, E> {
        Ok(GivenValue::Nothing)
    }

    fn visit_none<E>(self) -> Result<GivenValue, E> {
        Ok(GivenValue::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<GivenValue, D::Error> {
        GivenValue::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<GivenValue, A::Error> {
        let mut given = Vec::new();
        while let Some(item) = items.next_element::<GivenValue>()? {
            given.push(item);
        }
        Ok(GivenValue::list(given.into_iter()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GivenValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(GivenValue::Other)
    }
}

/// Never fails on an unknown key or a bad value: it is kept, and `check` reports it.
impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, given)) = map.next_entry::<String, GivenValue>()? {
                    entries.push((name, String::new(), given));
                }
                Ok(Settings::from_entries(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
