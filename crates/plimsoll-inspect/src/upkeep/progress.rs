//! How far the vacuums, rewrites and analyzes under way have come.

use crate::answer::{Row, Unreadable, rows};
use serde::Serialize;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the vacuums, rewrites and analyzes under way in this database. The answer is read by [`Work::read`].
pub const PROGRESS: &str = include_str!("../sql/upkeep_progress.sql");

/// Something under way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// `vacuum`, `vacuum full`, `cluster` or `analyze`.
    pub work: String,
    /// The session that does it.
    pub pid: i32,
    /// The table; `None` if it is hidden from the role that asks.
    pub table: Option<String>,
    /// What it does now, in PostgreSQL's words; `None` if it is hidden.
    pub phase: Option<String>,
    /// Blocks of the table that were read, and how many there are to read.
    pub done: u64,
    /// See `done`.
    pub total: u64,
    /// How many bytes a block has.
    pub block_size: u64,
    /// How often it went through all indexes: more than once means too little `maintenance_work_mem`.
    pub index_rounds: Option<u64>,
    /// Indexes done in this round, and all of them; since PostgreSQL 17.
    pub indexes: Option<(u64, u64)>,
    /// Autovacuum does it.
    pub is_automatic: bool,
    /// It comes because row versions would grow too old, and does not give way to a lock that a session waits for.
    pub is_forced: bool,
    /// How long it has gone on, in seconds.
    pub seconds: Option<f64>,
    /// It waits for a lock.
    pub waits: bool,
}

impl Work {
    /// Reads the answer to [`PROGRESS`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        rows(answer).filter(|row| row.has("upkeep_work")).map(Work::of).collect()
    }

    fn of(row: Row<'_>) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.map(str::to_owned));
        let indexes = row.number("indexes_done")?.zip(row.number("indexes_total")?);
        Ok(Work {
            work: text("upkeep_work")?.unwrap_or_default(),
            pid: row.number("pid")?.unwrap_or_default(),
            table: text("name")?,
            phase: text("phase")?,
            done: row.number("done")?.unwrap_or_default(),
            total: row.number("total")?.unwrap_or_default(),
            block_size: row.number("block_size")?.unwrap_or_default(),
            index_rounds: row.number("index_rounds")?,
            indexes: indexes.filter(|(_, total)| *total > 0),
            is_automatic: row.flag("is_automatic")?,
            is_forced: row.flag("is_forced")?,
            seconds: row.number("seconds")?,
            waits: row.flag("waits")?,
        })
    }

    /// How much of the table was read, in percent; `None` before it is known how much there is.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.done as f64 * 100.0 / self.total as f64).min(100.0))
    }
}
