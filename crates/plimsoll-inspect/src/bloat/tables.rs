//! How much of a table is waste.

use super::row::{Column, Data, data, rounded, up_to};
use super::{Estimate, Unknown, are_fit, share};
use crate::answer::{Row, Unreadable, rows};
use tokio_postgres::SimpleQueryMessage;

/// Asks for the two hundred largest tables. The answer is read by [`Table::read`].
pub const TABLE_BLOAT: &str = include_str!("../sql/table_bloat.sql");

/// How the estimate is made, as findings name it.
pub const METHOD: &str = "estimated from column statistics (rows, widths and padding, fill factor)";

/// How the estimate of a TOAST table is made.
pub const METHOD_TOAST: &str = "estimated from the number of its chunks, taken as full";

/// The header of a page.
pub(super) const PAGE_HEADER: f64 = 24.0;

/// A line pointer.
pub(super) const POINTER: f64 = 4.0;

/// A full chunk of a TOAST table with its line pointer: four of them fill a page of 8 kB.
const CHUNKS_A_PAGE: f64 = 4.0;

/// A table with what its size is estimated by.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Schema and name, quoted where they must be.
    pub name: String,
    /// The table that this TOAST table belongs to.
    pub owner: Option<String>,
    /// As of the last vacuum or analyze; -1 if there was none.
    pub rows: f64,
    /// The same in pages.
    pub pages: f64,
    /// Of a page, in bytes.
    pub block_size: f64,
    /// In percent.
    pub fill_factor: f64,
    /// Rows changed since the last analyze.
    pub modified: f64,
    /// Rows as they were counted, which is all that is known where it was never analyzed.
    pub counted_rows: f64,
    /// Dead rows, as they were counted.
    pub dead: f64,
    /// The counters go back to the last analyze; of a TOAST table, to the last vacuum.
    pub counted: bool,
    /// Its columns, those included that were dropped.
    pub all_columns: f64,
    /// What is known of its columns.
    pub columns: Vec<Column>,
    /// How many tables there are with any rows; no more than two hundred of them are told.
    pub considered: u64,
}

impl Table {
    /// Reads the answer to [`TABLE_BLOAT`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        rows(answer).filter(|row| row.has("bloat_kind")).map(Table::of).collect()
    }

    pub(crate) fn of(row: Row<'_>) -> Result<Self, Unreadable> {
        let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
        let is_toast = row.text("bloat_kind")? == Some("t");
        Ok(Table {
            name: row.text("name")?.unwrap_or_default().to_owned(),
            owner: row.text("owner")?.filter(|_| is_toast).map(str::to_owned),
            rows: number("reltuples")?,
            pages: number("relpages")?,
            block_size: number("block_size")?,
            fill_factor: row.number("fill_factor")?.unwrap_or(100.0),
            modified: number("modified")?,
            counted_rows: number("counted_rows")?,
            dead: number("dead")?,
            counted: row.flag(if is_toast { "vacuum_counted" } else { "counted" })?,
            all_columns: number("relnatts")?,
            columns: Column::read(row.text("columns")?.unwrap_or_default()),
            considered: row.number("considered")?.unwrap_or_default(),
        })
    }

    /// Its size in bytes: as the catalog has it, or at least what the rows take that were counted.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        match self.rows < 0.0 {
            true => (self.counted_rows + self.dead) * (24.0 + POINTER),
            false => self.pages * self.block_size,
        }
    }

    /// How the estimate is made.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.owner.is_some() { METHOD_TOAST } else { METHOD }
    }

    /// How much of it is waste.
    ///
    /// # Errors
    /// That is not known, and why.
    pub fn estimate(&self) -> Result<Estimate, Unknown> {
        if self.owner.is_some() {
            return self.estimate_toast();
        }
        are_fit(self.rows, self.counted, self.modified)?;
        if self.columns.is_empty() && self.all_columns > 0.0 {
            return Err(Unknown::NoStatistics);
        }
        let data = data(&self.columns).ok_or(Unknown::NoStatistics)?;
        let row = rounded(data, self.header(data)) + POINTER;
        let usable = self.block_size - PAGE_HEADER;
        let filled = usable - self.block_size * (1.0 - self.fill_factor / 100.0);
        // Rows of one width leave the rest of the page that is too short for another; others leave half a row on average.
        let a_page = match data.is_exact {
            true => (filled / row).floor(),
            false => (filled - row / 2.0) / row,
        };
        let needed = (self.rows / a_page.max(1.0)).ceil();
        let pages = self.pages.max(1.0);
        Ok(Estimate {
            bytes: self.pages * self.block_size,
            free: share((pages * usable - self.rows * row) / (pages * self.block_size)),
            waste: share(1.0 - needed / pages),
            at_least: false,
        })
    }

    /// A row's header: longer by the bitmap where a column is null. Rows that were written after a column was dropped have one.
    fn header(&self, data: Data) -> f64 {
        let dropped = self.all_columns > self.columns.len() as f64;
        let with_nulls = if dropped { 1.0 } else { data.with_nulls };
        let bitmap = (self.all_columns / 8.0).ceil();
        with_nulls * up_to(23.0 + bitmap, 8.0) + (1.0 - with_nulls) * 24.0
    }

    fn estimate_toast(&self) -> Result<Estimate, Unknown> {
        // Autovacuum never analyzes it; what is counted of its changes is the dead rows.
        if self.rows < 0.0 || !self.counted {
            return Err(Unknown::NotVacuumed);
        }
        let pages = self.pages.max(1.0);
        let full = (self.rows / CHUNKS_A_PAGE).ceil();
        let least = share(1.0 - full / pages);
        Ok(Estimate { bytes: self.pages * self.block_size, free: least, waste: least, at_least: true })
    }
}
