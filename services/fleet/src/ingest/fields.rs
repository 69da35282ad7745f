//! The fields of a JSON object, each as it was written.
//!
//! A reader that makes values of what it reads rounds numbers and keeps the last of two fields of one name, and tells
//! nobody. So the texts are kept, and two fields of one name are refused.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// An object's fields by name, in the order of the names.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(pub(super) BTreeMap<String, &'a RawValue>);

/// How the refusal of a repeated name begins; the rest is the name.
const TWICE: &str = "this field is there twice: ";

/// Why an object could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It is no JSON; where a field holds NaN or Infinity, which JSON has not, that field.
    NoJson(Option<String>),
    /// It is JSON, and no object.
    NoObject,
    /// Two fields have this name.
    Twice(String),
}

impl<'a> Fields<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, NotRead> {
        serde_json::from_slice(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => match twice(&error.to_string()) {
                Some(name) => NotRead::Twice(name),
                None => Self::none(text),
            },
            _ => NotRead::NoJson(without_a_number(text)),
        })
    }

    /// The object as JSON again, without the fields of these names.
    pub(super) fn without(&self, names: &[&str]) -> String {
        let mut text = String::from("{");
        for (name, value) in self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
            let separator = if text.len() > 1 { "," } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{}:{}", serde_json::Value::from(name.as_str()), value.get());
        }
        text.push('}');
        text
    }

    /// The value of the field of this name, where it is a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// An object is asked for, and so what is none is seen at its first letter; the rest of it may be no JSON at all.
    fn none(text: &[u8]) -> NotRead {
        match serde_json::from_slice::<&RawValue>(text) {
            Ok(_) => NotRead::NoObject,
            Err(_) => NotRead::NoJson(without_a_number(text)),
        }
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("{TWICE}{}", name)));
                    }
                    fields.insert(name, map.next_value()?);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

fn twice(error: &str) -> Option<String> {
    let name = error.strip_prefix(TWICE)?;
    // The place stands behind it.
    Some(name.rsplit_once(" at line ").map_or(name, |(name, _)| name).to_owned())
}

/// The field that holds a word for what is no number. Other languages write NaN and Infinity into what they call JSON.
fn without_a_number(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let (mut field, mut rest) = (None, text);
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inside = rest.get(1..)?;
            let end = end_of_string(inside)?;
            field = inside.get(..end);
            rest = inside.get(end + 1..)?;
            continue;
        }
        let word = rest.trim_start_matches(['-', '+']);
        let is_word =
            |name: &str| word.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if ["nan", "inf"].into_iter().any(is_word) {
            return field.map(str::to_owned);
        }
        rest = rest.get(first.len_utf8()..)?;
    }
    None
}

fn end_of_string(inside: &str) -> Option<usize> {
    let mut is_escaped = false;
    inside.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> NotRead {
        Fields::read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn each_field_is_kept_as_it_was_written() {
        let fields = Fields::read(br#" {"b": 1e400, "a": {"x": [1, 2.50]}} "#).unwrap();
        let texts: Vec<_> = fields.0.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(texts, [("a", r#"{"x": [1, 2.50]}"#), ("b", "1e400")]);
    }

    #[test]
    fn two_fields_of_one_name_are_refused() {
        assert_eq!(refused(r#"{"t": 1, "t": 2}"#), NotRead::Twice("t".to_owned()));
        assert_eq!(refused("{\"t\": 1, \"\\u0074\": 1}"), NotRead::Twice("t".to_owned()));
    }

    #[test]
    fn what_is_no_object_and_what_is_no_json_are_told_apart() {
        for text in ["[1]", "null", "1", "\"a\"", "true"] {
            assert_eq!(refused(text), NotRead::NoObject, "{text}");
        }
        for text in [
            "",
            "{",
            "{\"t\": 01}",
            "{\"t\": 1} x",
            "t=1",
            "{\"t\": .5}",
            "{\"nan\": x}",
            "[[[",
            "nul",
            "[1,]",
        ] {
            assert_eq!(refused(text), NotRead::NoJson(None), "{text}");
        }
    }

    #[test]
    fn a_field_without_a_number_is_named() {
        for word in ["NaN", "Infinity", "-Infinity", "nan", "-nan", "inf", "+Inf"] {
            let text = format!(r#"{{"nan": 1, "a\"b": {word}, "c": 2}}"#);
            assert_eq!(refused(&text), NotRead::NoJson(Some(r#"a\"b"#.to_owned())), "{word}");
        }
    }
}
