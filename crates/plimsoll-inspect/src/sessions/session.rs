//! One session, and how it is read.

use crate::answer::{Row, Unreadable, rows};
use serde::Serialize;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the sessions of clients and for what works for them. The answer is read by [`Sessions::read`].
pub const SESSIONS: &str = include_str!("sessions.sql");

/// The sessions at one moment, but for the one that asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sessions {
    /// At most 2,000, the one with the oldest transaction first.
    pub sessions: Vec<Session>,
    /// Whether the role that asked sees what the sessions of other roles do. If not, of those only the name is known.
    pub sees_all: bool,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Session {
    /// The process id of its backend.
    pub pid: i32,
    /// When the backend was started, in UTC. A process id is used again; together with this it is not.
    pub backend_start: String,
    /// When its present or last statement began, in UTC; empty if that is hidden.
    pub query_start: String,
    /// It is in the database of the session that asked.
    pub is_here: bool,
    /// Its database.
    pub database: Option<String>,
    /// The role as which it logged in.
    pub user: Option<String>,
    /// As the session has set it.
    pub application_name: String,
    /// The address of its client, or `local`.
    pub client: Option<String>,
    /// What kind of process it is: `client backend`, `autovacuum worker`, `walsender`; `None` if it is hidden.
    pub kind: Option<String>,
    /// What it does, in the server's words; `None` if it is hidden.
    pub state: Option<String>,
    /// What it waits for, as `Lock/transactionid`; `None` if it waits for nothing.
    pub wait: Option<String>,
    /// For how long it has been in that state.
    #[serde(rename = "state_seconds", serialize_with = "as_seconds")]
    pub state_for: Option<Duration>,
    /// How long ago its transaction began.
    #[serde(rename = "transaction_seconds", serialize_with = "as_seconds")]
    pub transaction_for: Option<Duration>,
    /// How long ago its present or last statement began.
    #[serde(rename = "statement_seconds", serialize_with = "as_seconds")]
    pub statement_for: Option<Duration>,
    /// Its transaction has changed something.
    pub has_written: bool,
    /// How many tables and indexes it has locks on.
    pub relations: u64,
    /// The tables of this database that it may have changed.
    pub written: Option<String>,
    /// Its present or last statement; it may hold constants. At most 2,000 characters.
    pub query: Option<String>,
    /// On whom it waits.
    pub blockers: Vec<i32>,
}

fn as_seconds<S: serde::Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs_f64()).serialize(serializer)
}

impl Sessions {
    /// Reads the answer to [`SESSIONS`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut all = Sessions { sessions: Vec::new(), sees_all: true };
        for row in rows(answer).filter(|row| row.has("sees_all")) {
            all.sees_all = row.flag("sees_all")?;
            all.sessions.push(session(row)?);
        }
        Ok(all)
    }

    /// The one with this process id.
    #[must_use]
    pub fn of(&self, pid: i32) -> Option<&Session> {
        self.sessions.iter().find(|session| session.pid == pid)
    }
}

impl Session {
    /// A statement runs in it now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state.as_deref(), Some("active" | "fastpath function call"))
    }

    /// It stands still in a transaction.
    #[must_use]
    pub fn is_idle_in_transaction(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with("idle in transaction"))
    }

    /// For how long what it does now has gone on: its statement if one runs, its transaction if it stands still in one.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        if self.is_active() {
            self.statement_for
        } else if self.is_idle_in_transaction() {
            self.transaction_for
        } else {
            None
        }
    }
}

fn session(row: Row<'_>) -> Result<Session, Unreadable> {
    let text = |column| row.text(column).map(|text| text.map(str::to_owned));
    let seconds = |column| {
        let seconds = row.number::<f64>(column)?;
        Ok::<_, Unreadable>(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()))
    };
    let wait = match (row.text("wait_event_type")?, row.text("wait_event")?) {
        (Some(kind), Some(event)) => Some(format!("{kind}/{event}")),
        _ => None,
    };
    let blockers = row.text("blockers")?.unwrap_or_default().split(' ').filter_map(|pid| pid.parse().ok());
    Ok(Session {
        pid: row.number("pid")?.unwrap_or_default(),
        backend_start: text("backend_start")?.unwrap_or_default(),
        query_start: text("query_start")?.unwrap_or_default(),
        is_here: row.flag("is_here")?,
        database: text("database")?,
        user: text("user_name")?,
        application_name: text("application_name")?.unwrap_or_default(),
        client: text("client")?,
        kind: text("backend_type")?,
        state: text("state")?,
        wait,
        state_for: seconds("state_seconds")?,
        transaction_for: seconds("transaction_seconds")?,
        statement_for: seconds("statement_seconds")?,
        has_written: row.flag("has_written")?,
        relations: row.number("relations")?.unwrap_or_default(),
        written: text("written")?,
        query: text("query")?,
        blockers: blockers.collect(),
    })
}
