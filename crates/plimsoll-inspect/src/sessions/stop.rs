//! The statements that cancel a session's statement or terminate the session.
//!
//! Between the look and the stop a session may have ended, its process id may be another's, or another statement may run in it.
//! So a stop names the session by its process id and its start, and a cancel also by the start of its statement; where that is
//! not so any more, nothing is stopped.

use super::session::Session;
use crate::answer::{Unreadable, rows};
use crate::checks::subject::literal;
use tokio_postgres::SimpleQueryMessage;

/// How a session is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its statement is cancelled; the session stays.
    Cancel,
    /// The session ends.
    Terminate,
}

impl Stop {
    /// As SQL calls it.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Stop::Cancel => "pg_cancel_backend",
            Stop::Terminate => "pg_terminate_backend",
        }
    }

    /// The statement that stops this session, if it is still the same; and its line in the server's log, which says who did it
    /// and why. The answer is read by [`was_stopped`].
    #[must_use]
    pub fn statement(self, session: &Session, why: &str) -> String {
        let function = self.function();
        let same_statement = match self {
            Stop::Cancel if !session.query_start.is_empty() => {
                format!(
                    " AND a.query_start AT TIME ZONE 'UTC' = {}::timestamp",
                    literal(&session.query_start)
                )
            }
            _ => String::new(),
        };
        let notice = format!("plimsoll: {function}({}): {why}", session.pid);
        format!(
            "DO $plimsoll$ BEGIN RAISE LOG USING MESSAGE = {}; END $plimsoll$; \
             SELECT pg_catalog.{function}(a.pid) AS was_stopped FROM pg_catalog.pg_stat_get_activity({}) AS a \
             WHERE a.backend_start AT TIME ZONE 'UTC' = {}::timestamp{same_statement}",
            literal(&notice).replace("$plimsoll$", "$"),
            session.pid,
            literal(&session.backend_start),
        )
    }
}

/// Whether the session was told to stop. It was not if it has ended, or does something else by now.
///
/// # Errors
/// The answer is not one to a stop.
pub fn was_stopped(answer: &[SimpleQueryMessage]) -> Result<bool, Unreadable> {
    rows(answer).find(|row| row.has("was_stopped")).map_or(Ok(false), |row| row.flag("was_stopped"))
}
