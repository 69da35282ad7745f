//! Sessions that run a statement or have a transaction open: how they are read and named, and how they are ended.

use crate::answer::{Row, Unreadable};
use crate::checks::check::Answers;
use crate::checks::finding::Remedy;
use crate::checks::subject::literal;

/// Asks for them.
pub(super) const SESSIONS: &str = include_str!("sessions.sql");

/// One session.
pub(super) struct Session {
    pub(super) pid: i32,
    pub(super) user: String,
    /// `pid 3390 (nightly report, user fleet, database fleet, 10.0.0.7)`.
    pub(super) who: String,
    /// In the server's words: `active`, `idle in transaction`.
    pub(super) state: String,
    pub(super) waits_for_lock: bool,
    /// How long ago its statement began, in seconds.
    pub(super) query_for: f64,
    /// For how long it has been in its state, in seconds.
    pub(super) state_for: f64,
    /// How long ago its transaction began, in seconds; 0 if it has none.
    pub(super) transaction_for: f64,
    /// What it does, if that is maintenance: `VACUUM`.
    pub(super) maintenance: Option<String>,
    backend_start: String,
    query_start: String,
}

/// All of them, the oldest transaction first.
pub(super) fn read(answers: &Answers<'_>) -> Result<Vec<Session>, Unreadable> {
    answers.rows().filter(|row| row.has("session_pid")).map(Session::read).collect()
}

impl Session {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        let age = |column| row.number::<f64>(column).map(|age| age.unwrap_or_default().max(0.0));
        let pid = row.number("session_pid")?.unwrap_or_default();
        let user = text("user_name")?;
        let mut about = vec![text("application_name")?, format!("user {user}")];
        about.push(format!("database {}", text("database")?));
        about.push(text("client")?);
        about.retain(|part| !part.is_empty());
        Ok(Session {
            pid,
            user,
            who: format!("pid {pid} ({})", about.join(", ")),
            state: text("state")?,
            waits_for_lock: row.flag("waits_for_lock")?,
            query_for: age("query_seconds")?,
            state_for: age("state_seconds")?,
            transaction_for: age("transaction_seconds")?,
            maintenance: row.text("maintenance")?.map(str::to_owned),
            backend_start: text("backend_start")?,
            query_start: text("query_start")?,
        })
    }

    /// As findings name it.
    pub(super) fn subject(&self) -> String {
        format!("session {}", self.pid)
    }

    pub(super) fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Ends its statement, if it still runs that one.
    pub(super) fn cancel(&self) -> Remedy {
        Remedy::for_good(format!(
            "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {} AND query_start = {}",
            self.pid,
            literal(&self.query_start)
        ))
    }

    /// Ends the session, if it is still that one: a transaction that runs no statement is ended by nothing less.
    pub(super) fn terminate(&self) -> Remedy {
        terminate(self.pid, &self.backend_start)
    }

    /// What ends its transaction: a cancel while a statement runs, else the end of the session.
    pub(super) fn end(&self) -> Remedy {
        if self.is_active() { self.cancel() } else { self.terminate() }
    }
}

/// Ends the session with this pid, if it is still the one that began then.
pub(crate) fn terminate(pid: i32, backend_start: &str) -> Remedy {
    Remedy::for_good(format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = {pid} AND backend_start = {}",
        literal(backend_start)
    ))
}

/// A time as it is said: `48 s`, `12 min`, `5 h`.
pub(super) fn lasting(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.0} s"),
        middle if middle < 7_200.0 => format!("{:.0} min", middle / 60.0),
        long => format!("{:.0} h", long / 3_600.0),
    }
}
