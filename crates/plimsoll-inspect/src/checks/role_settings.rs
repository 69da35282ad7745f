//! The settings as a new session of the application's role has them, and where each comes from.

use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::setting_value::SettingValue;
use std::collections::BTreeMap;

/// Asks for all settings.
pub(crate) const ROLE_SETTINGS: &str = include_str!("role_settings.sql");

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoleSetting {
    pub(crate) name: String,
    /// As it is written: `30s`, `30000`. `None` if it cannot be known.
    pub(crate) text: Option<String>,
    /// Which level says so: `role in database`, `role`, `database`, `all roles`, `server`, `default`.
    pub(crate) source: String,
    /// The unit of a number without one.
    pub(crate) unit: Option<String>,
    /// Nothing is set for a role or a database.
    pub(crate) is_of_server: bool,
}

impl RoleSetting {
    /// Its number: milliseconds for a time, bytes for a size. `None` if it is none, or cannot be known.
    pub(crate) fn number(&self) -> Option<f64> {
        SettingValue::read(self.text.as_deref()?, self.unit.as_deref()).map(|value| value.0)
    }

    /// Whether it is on.
    pub(crate) fn is_on(&self) -> Option<bool> {
        is_on(self.text.as_deref()?)
    }
}

/// What a text says to a setting that is on or off.
pub(crate) fn is_on(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// All settings, by name.
pub(crate) fn read(answer: &Answers<'_>) -> Result<BTreeMap<String, RoleSetting>, Unreadable> {
    let mut all = BTreeMap::new();
    for row in answer.rows().filter(|row| row.has("setting_name")) {
        let Some(name) = row.text("setting_name")? else { continue };
        let setting = RoleSetting {
            name: name.to_owned(),
            text: row.text("setting_value")?.map(str::to_owned),
            source: row.text("setting_source")?.unwrap_or_default().to_owned(),
            unit: row.text("setting_unit")?.map(str::to_owned),
            is_of_server: row.flag("is_of_server")?,
        };
        all.insert(name.to_owned(), setting);
    }
    Ok(all)
}
