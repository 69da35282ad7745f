//! A route as people write it: which alerts go to which integration.

use super::refusal::RouteRefusal;
use crate::alerts::Severity;
use crate::alerts::alert::{AlertStatus, AlertType};
use crate::text;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;

/// The most entries of a list.
const MOST: usize = 100;

/// A UUID in its usual form: 8, 4, 4, 4 and 12 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uuid(String);

impl Uuid {
    /// The UUID, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        let is_one = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        is_one.then(|| Uuid(text.to_ascii_lowercase()))
    }

    /// The one before all others, behind which a list begins.
    #[must_use]
    pub fn least() -> Self {
        Uuid("00000000-0000-0000-0000-000000000000".to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A route as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteBody {
    integration_id: String,
    name: String,
    enabled: Option<bool>,
    severities: Option<Vec<String>>,
    alert_types: Option<Vec<String>>,
    site_ids: Option<Vec<String>>,
    device_prefixes: Option<Vec<String>>,
    deliver_on: Option<Vec<String>>,
    priority: Option<i32>,
}

/// A route that can be stored. An empty list of types, sites or prefixes takes all of them.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where to.
    pub integration: Uuid,
    /// What it is called.
    pub name: String,
    /// Whether it is used.
    pub enabled: bool,
    /// Which severities, the worst first.
    pub severities: Vec<String>,
    /// Which types.
    pub alert_types: Vec<String>,
    /// Of which sites.
    pub site_ids: Vec<String>,
    /// Of devices whose ids begin so.
    pub device_prefixes: Vec<String>,
    /// In which states.
    pub deliver_on: Vec<String>,
    /// The less comes first.
    pub priority: i32,
}

impl RouteBody {
    /// The same, checked. Without severities a route takes all of them.
    ///
    /// # Errors
    /// What cannot be.
    pub fn checked(self) -> Result<Draft, RouteRefusal> {
        let invalid = RouteRefusal::Invalid;
        let integration = Uuid::parse(&self.integration_id).ok_or(invalid("integration_id is no UUID"))?;
        let name = text::line(&self.name, 200).ok_or(invalid("name has 1 to 200 characters"))?;
        let status = |said: &str| AlertStatus::parse(said).map(|status| status.as_str().to_owned());
        let kind = |said: &str| AlertType::parse(said).map(|kind| kind.as_str().to_owned());
        let short = |said: &str| text::line(said, 128);
        let types = "alert_types are types that alerts have, such as THRESHOLD";
        Ok(Draft {
            integration,
            name,
            enabled: self.enabled.unwrap_or(true),
            severities: severities(self.severities)?,
            alert_types: each(self.alert_types, kind, types)?,
            site_ids: each(self.site_ids, short, "site_ids are at most 100 of 1 to 128 characters")?,
            device_prefixes: each(
                self.device_prefixes,
                short,
                "device_prefixes are at most 100 of 1 to 128 characters",
            )?,
            deliver_on: match self.deliver_on {
                None => vec![AlertStatus::Open.as_str().to_owned()],
                said => each(said, status, "deliver_on are OPEN, ACKNOWLEDGED and CLOSED")?,
            },
            priority: self.priority.unwrap_or(100),
        })
    }
}

/// Each once, the worst first.
fn severities(said: Option<Vec<String>>) -> Result<Vec<String>, RouteRefusal> {
    let refused = RouteRefusal::Invalid("severities are critical, high, medium (or warning), low and info");
    let chosen: BTreeSet<Severity> = match said {
        None => Severity::ALL.into(),
        Some(said) if said.is_empty() => {
            return Err(RouteRefusal::Invalid("a route without severities takes nothing"));
        }
        Some(said) => said.iter().map(|one| Severity::parse(one)).collect::<Option<_>>().ok_or(refused)?,
    };
    Ok(chosen.into_iter().rev().map(|severity| severity.as_str().to_owned()).collect())
}

fn each(
    said: Option<Vec<String>>,
    read: impl Fn(&str) -> Option<String>,
    why: &'static str,
) -> Result<Vec<String>, RouteRefusal> {
    let said = said.unwrap_or_default();
    let read: Option<Vec<String>> = said.iter().map(|one| read(one)).collect();
    read.filter(|read| read.len() <= MOST).ok_or(RouteRefusal::Invalid(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_one() {
        let one = "7F0C2A52-5d0e-4c3e-9d7b-0c8f6a1b2c3d";
        assert_eq!(Uuid::parse(one).unwrap().as_str(), one.to_ascii_lowercase());
        for bad in ["", "7", "7f0c2a525d0e4c3e9d7b0c8f6a1b2c3d", "{7f0c2a52-5d0e-4c3e-9d7b-0c8f6a1b2c3d}"] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
        assert_eq!(Uuid::parse("7g0c2a52-5d0e-4c3e-9d7b-0c8f6a1b2c3d"), None);
        assert_eq!(Uuid::parse("7f0c2a52-5d0e-4c3e-9d7b-0c8f6a1b2c3d-"), None);
    }

    #[test]
    fn severities_are_written_once_and_the_worst_first() {
        let read = |said: &[&str]| severities(Some(said.iter().map(|one| (*one).to_owned()).collect()));
        assert_eq!(read(&["INFO", "critical", "WARNING", "medium"]).unwrap(), ["critical", "medium", "info"]);
        assert_eq!(severities(None).unwrap(), ["critical", "high", "medium", "low", "info"]);
        assert!(read(&[]).is_err() && read(&["worst"]).is_err());
    }
}
