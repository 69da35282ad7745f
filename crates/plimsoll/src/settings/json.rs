//! Settings from a JSON document: the same keys, the same rules and the same messages as in TOML, lines included.
//!
//! A JSON parser reports where a document breaks, but not where a key is in a valid document. Each value is therefore
//! taken as its piece of the text, and the position of that piece gives the line. A key that occurs twice is refused:
//! most JSON parsers take the last one silently.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{GivenValue, TABLE, line, unreadable};
use super::printable_key;
use super::problem::{Problem, SettingsError};
use super::table::Settings;

/// The form that a document must have, for the error message.
const FORM: &str = "one object like {\"pool_max\": 20}, with commas between its members";

impl Settings {
    /// The settings in a JSON document.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        Self::read_json(text, "JSON").or_problems()
    }

    pub(super) fn read_json(text: &str, origin: &str) -> Self {
        // Some editors write a byte order mark at the beginning, which is no part of the document.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let refused = |value: &str, line: usize| Self {
            problems: vec![unreadable(origin, Some(line), value, FORM)],
            ..Self::default()
        };
        let document = match serde_json::from_str::<Members<'_>>(text) {
            Ok(document) => document,
            Err(error) if error.is_data() => return refused("no JSON object", error.line()),
            Err(error) => return refused("not JSON", error.line()),
        };
        let mut entries = Vec::new();
        let mut twice = Vec::new();
        let mut tables = document.0.iter().filter(|(name, _)| name == TABLE);
        let own = tables.next().filter(|(_, value)| value.get().starts_with('{'));
        twice.extend(tables.map(|(name, value)| duplicate_key(name, origin, line_of_key(text, value))));
        let given = match own.map(|(_, own)| serde_json::from_str::<Members<'_>>(own.get())) {
            Some(Ok(own)) => own,
            _ => document,
        };
        for (name, value) in given.0 {
            let line = line_of_key(text, value);
            let place = format!(" ({origin}, line {line})");
            let Some(given) = GivenValue::from_json(value) else { return refused("not JSON", line) };
            if entries.iter().any(|(earlier, _, _)| *earlier == name) {
                twice.push(duplicate_key(&name, origin, line));
            } else {
                entries.push((name, place, given));
            }
        }
        let mut settings = Self::from_entries(entries);
        settings.problems.extend(twice);
        settings
    }
}

fn duplicate_key(name: &str, origin: &str, line: usize) -> Problem {
    let key = format!("{} ({origin}, line {line})", printable_key(name));
    Problem::new(key, "said before", "one value for each key", "leave one of the two out")
}

/// The line of the key of a value: between the two there are only a colon and white space.
fn line_of_key(text: &str, value: &RawValue) -> usize {
    let at = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let before = text.get(..at).unwrap_or(text).trim_end();
    line(text, before.strip_suffix(':').unwrap_or(before).trim_end().len())
}

impl GivenValue {
    /// `None` if the text is no value: the content of a string is checked only here.
    fn from_json(value: &RawValue) -> Option<Self> {
        let text = value.get();
        match text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            // Kept as written: a whole number and one with a point are different values.
            true => Some(Self::Text(text.to_owned())),
            false => serde_json::from_str(text).ok(),
        }
    }
}

/// The members of an object in their order, each value as its piece of the text.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnObject;
        impl<'de> Visitor<'de> for AnObject {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(AnObject)
    }
}
