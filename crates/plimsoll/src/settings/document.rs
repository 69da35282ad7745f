//! Settings from a file, or from any document that serde can read.
//!
//! A TOML file holds the settings at its top, or, if it has a table `[plimsoll]`, there and nowhere else, so that a
//! program can keep them in the file it already has. The keys are the names of the settings, and `url`, which the
//! others in the same document are stronger than. A key that means nothing is refused, with its line. A file whose name
//! ends in `.json` is read by the same rules (`json.rs`).
//!
//! The same settings may sit in a program's own configuration, whatever its format (`Settings` is `Deserialize`).
//! There nothing is refused at once: an error raised inside a stranger's parser would stop at the first problem, and
//! such parsers like to quote the line they failed in, password and all. What cannot be used is kept, and reported by
//! [`check`](Settings::check) with everything else. For the same reason the message of a TOML syntax error is not
//! passed on; its line number is.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use super::dsn;
use super::duration::Bare;
use super::problem::{Problem, SettingsError};
use super::table::{Settings, table};
use super::{definition_of, repeated_key, unknown};
use crate::secret::Secret;

/// The table of a TOML file, or the member of a JSON file, that holds the settings, where they do not have the file to themselves.
pub(super) const TABLE: &str = "plimsoll";

impl Settings {
    /// What a file says: JSON where its name ends in `.json`, else TOML.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Self::said_in_file(path.as_ref()).or_problems()
    }

    /// What a TOML document says.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::said_in_toml(text, "TOML").or_problems()
    }

    pub(super) fn said_in_file(path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) if is_json(path) => Self::said_in_json(&text, &path.display().to_string()),
            Ok(text) => Self::said_in_toml(&text, &path.display().to_string()),
            Err(error) => {
                let key = format!("the file {}", path.display());
                let value = format!("not readable ({error})");
                let remedy = "put the path right, or let this user read it";
                let problem = Problem::new(key, value, "a TOML or JSON file", remedy);
                Self { problems: vec![problem.about("url")], ..Self::default() }
            }
        }
    }

    fn said_in_toml(text: &str, origin: &str) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        if let Some(error) = errors.first() {
            let line = error.span().map(|span| line(text, span.start));
            let problem = unreadable(origin, line, "not TOML", "key = value, with texts in quotes");
            return Self { problems: vec![problem], ..Self::default() };
        }
        let own = document.get_ref().get(TABLE).map(|value| value.get_ref());
        let said = match own {
            Some(DeValue::Table(own)) => own,
            _ => document.get_ref(),
        };
        let entries = said.iter().map(|(key, value)| {
            let place = format!(" ({origin}, line {})", line(text, key.span().start));
            (key.get_ref().to_string(), place, GivenValue::from_toml(value.get_ref()))
        });
        Self::said_in(entries.collect())
    }

    /// Says all entries of a document: the URL first, because the others are stronger.
    pub(super) fn said_in(mut entries: Vec<(String, String, GivenValue)>) -> Self {
        let mut settings = Self::default();
        entries.sort_by_key(|(name, _, _)| name != "url");
        for (name, place, said) in entries {
            let key = format!("{}{place}", repeated_key(&name));
            match said {
                GivenValue::Nothing => {}
                GivenValue::Text(url) if name == "url" => dsn::read(&Secret::from(url), &key, &mut settings),
                GivenValue::Text(text) => settings.say_entry(&name, &key, &text),
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

    fn say_entry(&mut self, name: &str, key: &str, text: &str) {
        if definition_of(name).is_some() {
            self.say(name, key, text, Bare::Refused);
        } else {
            let known = table().iter().map(|definition| definition.name).chain(["url"]);
            self.problems.push(unknown(key, name, known));
        }
    }
}

/// Whether a file's name says that it is JSON.
fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

/// A document that cannot be read as a whole.
pub(super) fn unreadable(origin: &str, line: Option<usize>, value: &str, allowed: &str) -> Problem {
    let place = line.map_or_else(String::new, |line| format!(", line {line}"));
    let remedy = "put that line right; it is not repeated here because it may hold a password";
    Problem::new(format!("the document ({origin}{place})"), value, allowed, remedy).about("url")
}

/// The line on which a byte of the text stands, counted from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// One value of a document, as the text that every setting is read from.
pub(super) enum GivenValue {
    /// Null: as if the key were not there.
    Nothing,
    Text(String),
    /// A map, a date, or a list of such: no setting looks like that.
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

    /// A list says the same as its members with commas between.
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
        let mut said = Vec::new();
        while let Some(item) = items.next_element::<GivenValue>()? {
            said.push(item);
        }
        Ok(GivenValue::list(said.into_iter()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GivenValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(GivenValue::Other)
    }
}

/// Never fails on what a setting is or says: that is kept, and reported by `check`.
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
                while let Some((name, said)) = map.next_entry::<String, GivenValue>()? {
                    entries.push((name, String::new(), said));
                }
                Ok(Settings::said_in(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
