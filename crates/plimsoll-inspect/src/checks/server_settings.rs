//! The settings as the server's configuration has them, and the statements that change one for good and bring it back.

use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::finding::{Effect, Remedy};
use crate::checks::role_settings::{RoleSetting, set_all};
use crate::checks::subject::{Subject, literal};
use std::collections::BTreeMap;

/// Asks for all of them.
pub(crate) const SERVER_SETTINGS: &str = include_str!("server_settings.sql");

/// The server's settings, by name.
pub(crate) struct ServerSettings(BTreeMap<String, ServerSetting>);

/// One setting of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServerSetting {
    pub(crate) name: String,
    /// In the setting's own unit.
    pub(crate) value: String,
    /// As `pg_settings` has it: `default`, `configuration file`, `command line`.
    pub(crate) source: String,
    /// Another value was configured, and it counts after a restart.
    pub(crate) waits_for_restart: bool,
    /// `ALTER SYSTEM` has set it. `None` if that cannot be known.
    is_in_auto_conf: Option<bool>,
}

impl ServerSettings {
    pub(crate) fn read(answers: &Answers<'_>) -> Result<Self, Unreadable> {
        let mut all = BTreeMap::new();
        for row in answers.rows().filter(|row| row.has("server_setting")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            let setting = ServerSetting {
                name: text("server_setting")?,
                value: text("server_value")?,
                source: text("server_source")?,
                waits_for_restart: row.flag("waits_for_restart")?,
                is_in_auto_conf: match row.text("is_in_auto_conf")? {
                    Some(_) => Some(row.flag("is_in_auto_conf")?),
                    None => None,
                },
            };
            all.insert(setting.name.clone(), setting);
        }
        Ok(ServerSettings(all))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&ServerSetting> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServerSetting> {
        self.0.values()
    }

    /// What gives new sessions of the role this value: said at the level that decides now, for the server if that is the one.
    pub(crate) fn set(&self, setting: &RoleSetting, value: &str, subject: &Subject) -> Remedy {
        let Some(of_server) = self.get(&setting.name).filter(|_| setting.is_of_server) else {
            return set_all([(setting, value.to_owned())], subject);
        };
        of_server.set(&literal(value), Effect::Reload)
    }
}

impl ServerSetting {
    /// What sets it for the whole server. `value` is SQL: a literal, or several of a list. Without the right to see whether
    /// `ALTER SYSTEM` had set it before, there is no undo that would surely bring that back.
    pub(crate) fn set(&self, value: &str, effect: Effect) -> Remedy {
        let name = &self.name;
        if !matches!(self.source.as_str(), "default" | "configuration file" | "override") {
            return Remedy::advice(format!(
                "{name} comes from the {}, which is stronger than the configuration: change it there to \
                 {value}",
                self.source
            ));
        }
        let reload = || "SELECT pg_catalog.pg_reload_conf()".to_owned();
        let undo = match self.is_in_auto_conf {
            Some(true) => vec![format!("ALTER SYSTEM SET {name} = {}", self.as_sql()), reload()],
            Some(false) => vec![format!("ALTER SYSTEM RESET {name}"), reload()],
            None => Vec::new(),
        };
        Remedy::Sql { run: vec![format!("ALTER SYSTEM SET {name} = {value}"), reload()], undo, effect }
    }

    /// Its value as SQL. PostgreSQL would take one text for one element where each element of a list is quoted.
    pub(crate) fn as_sql(&self) -> String {
        if !self.name.ends_with("_preload_libraries") {
            return literal(&self.value);
        }
        let elements: Vec<_> = self.elements().map(literal).collect();
        if elements.is_empty() { literal("") } else { elements.join(", ") }
    }

    /// The elements of a list.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &str> {
        let elements = self.value.split(',').map(|element| element.trim().trim_matches('"'));
        elements.filter(|element| !element.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, value: &str, source: &str, is_in_auto_conf: Option<bool>) -> ServerSetting {
        ServerSetting {
            name: name.to_owned(),
            value: value.to_owned(),
            source: source.to_owned(),
            waits_for_restart: false,
            is_in_auto_conf,
        }
    }

    fn undo(setting: &ServerSetting) -> Vec<String> {
        match setting.set("'x'", Effect::Reload) {
            Remedy::Sql { undo, .. } => undo,
            Remedy::Advice { text } => vec![text],
        }
    }

    #[test]
    fn what_alter_system_had_set_before_is_brought_back_and_nothing_is_guessed() {
        let file = "configuration file";
        assert_eq!(undo(&setting("fsync", "off", file, Some(false)))[0], "ALTER SYSTEM RESET fsync");
        assert_eq!(undo(&setting("fsync", "off", file, Some(true)))[0], "ALTER SYSTEM SET fsync = 'off'");
        assert!(undo(&setting("fsync", "off", file, None)).is_empty());
        let stronger = &undo(&setting("fsync", "off", "command line", None))[0];
        assert!(stronger.contains("comes from the command line"), "{stronger}");
    }

    #[test]
    fn each_element_of_a_list_of_libraries_is_a_text_of_its_own() {
        let libraries =
            setting("shared_preload_libraries", "auto_explain, \"odd one\"", "default", Some(true));
        assert_eq!(libraries.as_sql(), "'auto_explain', 'odd one'");
        assert_eq!(setting("shared_preload_libraries", "", "default", None).as_sql(), "''");
        assert_eq!(setting("synchronous_standby_names", "a, b", "default", None).as_sql(), "'a, b'");
    }
}
