//! The server in a few numbers: how full it is, and how much it does.

use crate::answer::{Unreadable, rows};
use serde::Serialize;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the numbers. The answer is read by [`Numbers::read`].
pub const NUMBERS: &str = include_str!("sql/numbers.sql");

/// The server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Numbers {
    /// The database of the session that asked.
    pub database: String,
    /// The server's version, in its own words.
    pub server_version: String,
    /// It follows another server, and takes no writes.
    pub is_standby: bool,
    /// How many clients are connected, in all databases; the session that asked is one of them.
    pub connections_used: u64,
    /// How many may be, apart from those that are reserved for superusers and other roles.
    pub connections_usable: u64,
    /// How many transactions have ended since the statistics began, in all databases. The server counts them up to a second
    /// late.
    pub transactions: u64,
    /// The server's clock, in seconds.
    pub clock_seconds: f64,
    /// How long ago the oldest prepared transaction was prepared, in seconds; `None` if there is none.
    pub prepared_seconds: Option<f64>,
    /// Whether the role that asked sees what the sessions of other roles do.
    pub sees_all: bool,
}

impl Numbers {
    /// Reads the answer to [`NUMBERS`]; `None` if that question is not in the answer.
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Option<Self>, Unreadable> {
        let Some(row) = rows(answer).find(|row| row.has("numbers_of")) else { return Ok(None) };
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        Ok(Some(Numbers {
            database: text("numbers_of")?,
            server_version: text("server_version")?,
            is_standby: row.flag("is_standby")?,
            connections_used: row.number("connections_used")?.unwrap_or_default(),
            connections_usable: row.number("connections_usable")?.unwrap_or_default(),
            transactions: row.number("transactions")?.unwrap_or_default(),
            clock_seconds: row.number("clock_seconds")?.unwrap_or_default(),
            prepared_seconds: row.number("prepared_seconds")?,
            sees_all: row.flag("sees_other_roles")?,
        }))
    }

    /// The transactions per second between an earlier look and this one. `None` where that cannot be known: the statistics
    /// were reset in between, or no time has passed.
    #[must_use]
    pub fn transactions_per_second(&self, before: &Numbers) -> Option<f64> {
        let transactions = self.transactions.checked_sub(before.transactions)?;
        let seconds = self.clock_seconds - before.clock_seconds;
        (seconds > 0.0).then(|| transactions as f64 / seconds)
    }

    /// How long ago the oldest prepared transaction was prepared.
    #[must_use]
    pub fn prepared_for(&self) -> Option<Duration> {
        self.prepared_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_only_where_it_is_known() {
        let at = |transactions, clock_seconds| Numbers { transactions, clock_seconds, ..Numbers::default() };
        assert_eq!(at(300, 12.0).transactions_per_second(&at(100, 10.0)), Some(100.0));
        assert_eq!(at(3, 12.0).transactions_per_second(&at(100, 10.0)), None, "the statistics were reset");
        assert_eq!(at(300, 10.0).transactions_per_second(&at(100, 10.0)), None, "no time has passed");
    }
}
