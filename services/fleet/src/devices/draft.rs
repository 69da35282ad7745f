//! What people say of a device: the fields, their limits, and a device that is to be registered. No database here.

use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, SiteId};
use crate::subscriptions::subscription;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The texts that people may give a device, each with its most characters. The table checks the same.
pub const TEXTS: [(&str, usize); 6] = [
    ("name", 200),
    ("device_type", 200),
    ("model", 200),
    ("manufacturer", 200),
    ("serial", 200),
    ("notes", 2000),
];

/// The most tags of a device.
pub const MOST_TAGS: usize = 50;
const LONGEST_TAG: usize = 64;

/// Texts of a device by their names; null clears one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details(Map<String, Value>);

impl Details {
    /// Those of a body, from which the other fields were taken.
    ///
    /// # Errors
    /// For a field that is none, and for a value that cannot be one.
    pub fn of(fields: Map<String, Value>) -> Result<Self, RegistryRefusal> {
        for (name, value) in &fields {
            let Some((name, most)) = TEXTS.into_iter().find(|(known, _)| known == name) else {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(bad(format!("there is no field {shown:?} here")));
            };
            match value {
                Value::Null => {}
                Value::String(text) => check_text(name, text, most)?,
                _ => return Err(bad(format!("{name} is a text, or null"))),
            }
        }
        Ok(Details(fields))
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the statements take it: a JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// A device that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub device: DeviceId,
    /// Where it is.
    pub site: SiteId,
    /// Which subscription it counts against, where that is said.
    pub subscription: Option<String>,
    /// What is said of it.
    pub details: Details,
    /// Its tags, each once.
    pub tags: Vec<String>,
}

/// Reads the id of a device that is to be registered.
///
/// # Errors
/// For a text that is none, and for a word that has another meaning in paths.
pub fn device_id(text: &str) -> Result<DeviceId, RegistryRefusal> {
    let id =
        DeviceId::parse(text).ok_or_else(|| bad("device_id has up to 128 letters, digits, . _ : and -"))?;
    if id.is_reserved() {
        return Err(RegistryRefusal::ReservedId);
    }
    Ok(id)
}

/// Reads a site's id.
///
/// # Errors
/// For a text that is none.
pub fn site_id(text: &str) -> Result<SiteId, RegistryRefusal> {
    SiteId::parse(text)
        .ok_or_else(|| bad("site_id has 1 to 128 characters, none of which is a control character"))
}

/// Reads a subscription's id, where one is named. What cannot be one is none of the tenant's.
///
/// # Errors
/// For a text that is none.
pub fn subscription_id(text: Option<String>) -> Result<Option<String>, RegistryRefusal> {
    match text {
        Some(text) if !subscription::is_id(&text) => Err(RegistryRefusal::SubscriptionNotFound),
        text => Ok(text),
    }
}

/// Each tag once, in order.
///
/// # Errors
/// For a tag that cannot be one, and for too many.
pub fn tags(given: impl IntoIterator<Item = String>) -> Result<Vec<String>, RegistryRefusal> {
    let tags: BTreeSet<String> = given.into_iter().collect();
    if tags.len() > MOST_TAGS {
        return Err(bad(format!("a device has at most {MOST_TAGS} tags")));
    }
    for tag in &tags {
        check_text("a tag", tag, LONGEST_TAG)?;
    }
    Ok(tags.into_iter().collect())
}

/// A text of 1 to `most` characters, without control characters; lines and tabs may be in one.
///
/// # Errors
/// With the name of the field.
pub fn check_text(name: &str, text: &str, most: usize) -> Result<(), RegistryRefusal> {
    let length = text.chars().take(most.saturating_add(1)).count();
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if (1..=most).contains(&length) && text.chars().all(is_plain) {
        return Ok(());
    }
    Err(bad(format!("{name} has 1 to {most} characters, and no control characters")))
}

pub(super) fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> RegistryRefusal {
    RegistryRefusal::BadField(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(value: Value) -> Result<Details, RegistryRefusal> {
        let Value::Object(fields) = value else { panic!("an object") };
        Details::of(fields)
    }

    #[test]
    fn only_known_texts_of_their_length_are_taken() {
        assert!(details(json!({"name": "a", "notes": null})).is_ok());
        assert!(details(json!({"notes": "n".repeat(2000)})).is_ok());
        for wrong in [
            json!({"colour": "red"}),
            json!({"name": 1}),
            json!({"name": ""}),
            json!({"name": "n".repeat(201)}),
            json!({"name": "a\u{0}b"}),
        ] {
            assert!(details(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tags_are_there_once_and_in_order() {
        let of = |given: &[&str]| tags(given.iter().map(|tag| (*tag).to_owned()));
        assert_eq!(of(&["b", "a", "b"]).unwrap(), ["a", "b"]);
        assert!(of(&[""]).is_err() && of(&["a\u{7}"]).is_err() && of(&[&"t".repeat(65)]).is_err());
        assert!(tags((0..51).map(|n| n.to_string())).is_err());
        assert!(tags((0..50).map(|n| n.to_string())).is_ok());
    }
}
