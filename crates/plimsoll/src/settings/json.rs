//! Settings from a JSON document: the same keys, the same rules and the same messages as in TOML, lines included.
//!
//! What reads JSON says where a document breaks, but not where a key stands in one that is whole. Each value is therefore
//! taken as the piece of the text that it is, and where the piece lies tells the line. A key that is said twice is
//! refused: what reads JSON elsewhere takes the last without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{GivenValue, TABLE, line, unreadable};
use super::problem::{Problem, SettingsError};
use super::repeated_key;
use super::table::Settings;

/// How a document should look, for whoever wrote another one.
const FORM: &str = "one object like {\"pool_max\": 20}, with commas between its members";

impl Settings {
    /// What a JSON document says.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        Self::said_in_json(text, "JSON").or_problems()
    }

    pub(super) fn said_in_json(text: &str, origin: &str) -> Self {
        // Some editors put a mark at the beginning that is no part of the document.
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
        twice.extend(tables.map(|(name, value)| said_before(name, origin, line_of_key(text, value))));
        let said = match own.map(|(_, own)| serde_json::from_str::<Members<'_>>(own.get())) {
            Some(Ok(own)) => own,
            _ => document,
        };
        for (name, value) in said.0 {
            let line = line_of_key(text, value);
            let place = format!(" ({origin}, line {line})");
            let Some(said) = GivenValue::from_json(value) else { return refused("not JSON", line) };
            if entries.iter().any(|(earlier, _, _)| *earlier == name) {
                twice.push(said_before(&name, origin, line));
            } else {
                entries.push((name, place, said));
            }
        }
        let mut settings = Self::said_in(entries);
        settings.problems.extend(twice);
        settings
    }
}

fn said_before(name: &str, origin: &str, line: usize) -> Problem {
    let key = format!("{} ({origin}, line {line})", repeated_key(name));
    Problem::new(key, "said before", "one value for each key", "leave one of the two out")
}

/// The line on which the key of a value stands: before the value there are only its colon and white space.
fn line_of_key(text: &str, value: &RawValue) -> usize {
    let at = value.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let before = text.get(..at).unwrap_or(text).trim_end();
    line(text, before.strip_suffix(':').unwrap_or(before).trim_end().len())
}

impl GivenValue {
    /// Nothing where the value is none: what is between quotes is only looked at here.
    fn from_json(value: &RawValue) -> Option<Self> {
        let text = value.get();
        match text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            // As it was written: a whole number and one with a point are two things.
            true => Some(Self::Text(text.to_owned())),
            false => serde_json::from_str(text).ok(),
        }
    }
}

/// The members of an object in their order, each value as a piece of the text.
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
