//! The settings as a new session of the application's role has them, and where each comes from.

use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::finding::{Effect, Remedy};
use crate::checks::setting_value::{SettingValue, time, whole_size};
use crate::checks::subject::{Subject, literal, quoted};
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

    /// As it is shown: a time or a size that was written without a unit gets one.
    pub(crate) fn shown(&self) -> String {
        let text = self.text.as_deref().unwrap_or("not known");
        match (text.parse::<f64>(), self.number()) {
            (Ok(bare), Some(number)) if bare > 0.0 => match self.unit.as_deref() {
                Some("ms" | "s" | "min") => time(number),
                Some(unit) if unit.ends_with('B') => whole_size(number),
                _ => text.to_owned(),
            },
            _ => text.to_owned(),
        }
    }

    /// The statement that gives the role's new sessions this value, and the one that brings back what was there. It speaks at
    /// the level that decides now: what is set for the role in this database is stronger than what is set for the role.
    pub(crate) fn set_to(&self, value: &str, subject: &Subject) -> (String, String) {
        let in_database = match self.source.as_str() {
            "role in database" => format!(" IN DATABASE {}", quoted(&subject.database)),
            _ => String::new(),
        };
        let whom = format!("ALTER ROLE {}{in_database}", quoted(&subject.role));
        let name = &self.name;
        let undo = match (self.source.as_str(), &self.text) {
            ("role in database" | "role", Some(old)) => format!("{whom} SET {name} = {}", literal(old)),
            _ => format!("{whom} RESET {name}"),
        };
        (format!("{whom} SET {name} = {}", literal(value)), undo)
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

/// What gives the role's new sessions these values, each in a statement of its own.
pub(crate) fn set_all<'a>(
    settings: impl IntoIterator<Item = (&'a RoleSetting, String)>,
    subject: &Subject,
) -> Remedy {
    let (run, undo) = settings.into_iter().map(|(setting, value)| setting.set_to(&value, subject)).unzip();
    Remedy::Sql { run, undo, effect: Effect::NewSessions }
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
