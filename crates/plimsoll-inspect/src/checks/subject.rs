//! What is known of the server, and of the role that it is about, before anything is checked.

use crate::answer::{Unreadable, rows};
use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryMessage;

/// What is asked first.
pub(crate) const ABOUT: &str = include_str!("subject.sql");

/// What is asked instead where a lock on a catalog holds the first one up.
pub(crate) const ABOUT_UNDER_LOCKS: &str = include_str!("subject_under_locks.sql");

/// The server and the role that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// As a number: 150018 for 15.18.
    pub version: u32,
    /// As the server writes it.
    pub version_text: String,
    /// The database.
    pub database: String,
    /// The role that asks.
    pub login: String,
    /// The role that the application logs in as, which the checks are about.
    pub role: String,
    /// Whether there is such a role.
    pub role_exists: bool,
    /// The server only replays what its primary does.
    pub is_standby: bool,
    /// The role that asks has the rights of `pg_monitor`.
    pub monitors: bool,
    /// The role that asks is a superuser.
    pub is_superuser: bool,
    /// The backend that answers. Behind a pooler it is not the one that the connection was told of.
    pub pid: i32,
    /// The server's clock, in UTC.
    pub server_time: String,
    /// When the server was started, in UTC.
    pub started: String,
}

impl Subject {
    /// The major version: 15.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// `role app`, as findings name it.
    pub(crate) fn the_role(&self) -> String {
        format!("role {}", self.role)
    }

    pub(crate) fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut found = Subject::default();
        for row in rows(answer).filter(|row| row.has("role_exists")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            found = Subject {
                version: row.number("version")?.unwrap_or_default(),
                version_text: text("version_text")?,
                database: text("database")?,
                login: text("login")?,
                role: text("role")?,
                role_exists: row.flag("role_exists")?,
                is_standby: row.flag("is_standby")?,
                monitors: row.flag("monitors")?,
                is_superuser: row.flag("is_superuser")?,
                pid: row.number("pid")?.unwrap_or_default(),
                server_time: text("server_time")?,
                started: text("started")?,
            };
        }
        Ok(found)
    }
}

/// A name as SQL has it, quoted always, so that no keyword is one.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it, whatever `standard_conforming_strings` says.
#[must_use]
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if escaped.contains('\\') {
        format!("E'{}'", escaped.replace('\\', "\\\\"))
    } else {
        format!("'{escaped}'")
    }
}
