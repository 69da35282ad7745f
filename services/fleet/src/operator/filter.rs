//! The filters of a list: which rows are asked for.

use super::OperatorRefusal;
use std::collections::BTreeMap;

/// The longest value, in characters.
const LONGEST: usize = 200;

/// What a query says, each part once and none that the list does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(BTreeMap<&'static str, String>);

impl Filter {
    /// The filters of a query, of those that the list knows.
    ///
    /// # Errors
    /// For one that is none, is said twice, or cannot be a value: a filter that is passed over shows rows that were not asked for.
    pub fn of(query: Vec<(String, String)>, known: &[&'static str]) -> Result<Self, OperatorRefusal> {
        let mut filter = BTreeMap::new();
        for (name, value) in query {
            // A page's own; read elsewhere.
            if matches!(name.as_str(), "limit" | "after") {
                continue;
            }
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(invalid(format!(
                    "the filters are {}; limit and after are the page's",
                    known.join(", ")
                )));
            };
            let length = value.chars().take(LONGEST + 1).count();
            if !(1..=LONGEST).contains(&length) || value.chars().any(char::is_control) {
                return Err(invalid(format!(
                    "{name} has 1 to {LONGEST} characters, and no control characters"
                )));
            }
            if filter.insert(*name, value).is_some() {
                return Err(invalid("a filter is said once"));
            }
        }
        Ok(Filter(filter))
    }

    /// What is said of this.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same, of a list of words.
    ///
    /// # Errors
    /// For a word that is not on it.
    pub fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, OperatorRefusal> {
        let Some(said) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|word| **word == said).copied();
        found.map(Some).ok_or_else(|| invalid(format!("{name} is one of {}", words.join(", "))))
    }

    /// As it is recorded, and as a cursor is signed with it.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!(self.0)
    }
}

pub(super) fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> OperatorRefusal {
    OperatorRefusal::Invalid(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &[(&str, &str)]) -> Result<Filter, OperatorRefusal> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Filter::of(query, &["tenant_id", "status"])
    }

    #[test]
    fn a_filter_is_known_said_once_and_has_a_value() {
        let said = of(&[("limit", "1"), ("status", "OPEN"), ("after", "x")]).unwrap();
        assert_eq!((said.get("status"), said.get("tenant_id")), (Some("OPEN"), None));
        let long = "x".repeat(201);
        for wrong in [
            &[("colour", "red")][..],
            &[("status", "")],
            &[("status", "a\0")],
            &[("status", long.as_str())],
            &[("status", "a"), ("status", "a")],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(said.word("status", &["OPEN"]), Ok(Some("OPEN")));
        assert_eq!(said.word("tenant_id", &["OPEN"]), Ok(None));
        assert!(said.word("status", &["CLOSED"]).is_err());
    }
}
