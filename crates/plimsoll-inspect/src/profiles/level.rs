//! Where a setting can be said: the SQL that says it there, takes it back, and asks what is said there.

use crate::checks::subject::{literal, quoted};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a setting can be said. What is said at a later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The server's own configuration: `ALTER SYSTEM`, which writes `postgresql.auto.conf`.
    Server,
    /// A database: `ALTER DATABASE .. SET`.
    Database,
    /// A role in all databases: `ALTER ROLE .. SET`.
    Role,
    /// A role in one database: `ALTER ROLE .. IN DATABASE .. SET`.
    RoleInDatabase,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Server => "server",
            Level::Database => "database",
            Level::Role => "role",
            Level::RoleInDatabase => "role in database",
        })
    }
}

/// A level of one server, with the names that it needs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which level.
    pub level: Level,
    /// The database.
    pub database: &'a str,
    /// The role.
    pub role: &'a str,
}

impl Place<'_> {
    /// How it is called in a sentence: `database shop`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.level {
            Level::Server => "server".to_owned(),
            Level::Database => format!("database {}", self.database),
            Level::Role => format!("role {}", self.role),
            Level::RoleInDatabase => format!("role {} in database {}", self.role, self.database),
        }
    }

    fn alter(&self) -> String {
        let (database, role) = (quoted(self.database), quoted(self.role));
        match self.level {
            Level::Server => "ALTER SYSTEM".to_owned(),
            Level::Database => format!("ALTER DATABASE {database}"),
            Level::Role => format!("ALTER ROLE {role}"),
            Level::RoleInDatabase => format!("ALTER ROLE {role} IN DATABASE {database}"),
        }
    }

    /// The statement that says it here; with no value, the one that takes it back.
    #[must_use]
    pub fn statement(&self, setting: &str, value: Option<&str>) -> String {
        match value {
            Some(value) => format!("{} SET {setting} = {}", self.alter(), literal(value)),
            None => format!("{} RESET {setting}", self.alter()),
        }
    }

    /// A question with one row and one column: whether exactly this is said here, nothing meaning that nothing is.
    #[must_use]
    pub fn is(&self, setting: &str, value: Option<&str>) -> String {
        let wanted = value.map_or_else(|| "NULL".to_owned(), literal);
        format!("SELECT ({}) IS NOT DISTINCT FROM {wanted}", self.said(setting))
    }

    /// What is said here, as a query with one column and at most one row.
    fn said(&self, setting: &str) -> String {
        let setting = literal(&setting.to_ascii_lowercase());
        if self.level == Level::Server {
            return format!(
                "SELECT setting FROM pg_catalog.pg_file_settings WHERE lower(name) = {setting} \
                 AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1"
            );
        }
        let database =
            format!("(SELECT oid FROM pg_catalog.pg_database WHERE datname = {})", literal(self.database));
        let role = format!("(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})", literal(self.role));
        let (of_database, of_role) = match self.level {
            Level::Server | Level::Database => (database, "0".to_owned()),
            Level::Role => ("0".to_owned(), role),
            Level::RoleInDatabase => (database, role),
        };
        format!(
            "SELECT pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) FROM pg_catalog.pg_db_role_setting AS s \
             CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry WHERE s.setdatabase = {of_database} \
             AND s.setrole = {of_role} AND lower(pg_catalog.split_part(entry, '=', 1)) = {setting}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        let place = Place { level: Level::RoleInDatabase, database: "my \"db", role: "o'app" };
        assert_eq!(
            place.statement("lock_timeout", Some("5s")),
            r#"ALTER ROLE "o'app" IN DATABASE "my ""db" SET lock_timeout = '5s'"#
        );
        assert_eq!(
            place.statement("lock_timeout", None),
            r#"ALTER ROLE "o'app" IN DATABASE "my ""db" RESET lock_timeout"#
        );
        assert!(place.is("lock_timeout", None).contains("'o''app'"));
    }
}
