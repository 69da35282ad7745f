//! How much of a B-tree is waste.
//!
//! An entry is a header of 8 bytes, the key, and a line pointer. Since PostgreSQL 13 entries with the same key share it: the row
//! addresses stand behind one key, 6 bytes each, up to a tenth of a page. So it matters how often keys repeat, which the
//! statistics tell for one column (its most common values, and how many others there are) and only in limits for several.

use super::row::{Column, data, rounded, up_to};
use super::{Estimate, TOO_MUCH, Unknown, are_fit, share};
use crate::answer::{Row, Unreadable, rows};
use tokio_postgres::SimpleQueryMessage;

/// Asks for the two hundred largest B-trees. The answer is read by [`Index::read`].
pub const INDEX_BLOAT: &str = include_str!("../sql/index_bloat.sql");

/// How the estimate is made, as findings name it.
pub const METHOD: &str = "estimated from column statistics (entries, key widths, repeated keys, fill factor)";

/// An analyze reads so many rows at its default; of a larger table the number of different values is an estimate itself.
const SAMPLE: f64 = 30_000.0;

/// By how much that estimate may be too low.
const DISTINCT_ERROR: f64 = 3.0;

/// How far apart the limits may be for their middle to be worth saying.
const SPREAD: f64 = 0.2;

/// Keys that are wider may be stored compressed.
const WIDEST: f64 = 500.0;

const POINTER: f64 = 4.0;
const ENTRY_HEADER: f64 = 8.0;
/// With the bitmap of nulls.
const ENTRY_HEADER_NULLS: f64 = 16.0;
/// Of a row in the table.
const ADDRESS: f64 = 6.0;
/// A page's header and what a B-tree keeps at its end.
const PAGE_OVERHEAD: f64 = 40.0;
/// How full pages above the leaves are made.
const INNER_FILL: f64 = 0.7;

/// A B-tree with what its size is estimated by.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Schema and name, quoted where they must be.
    pub name: String,
    /// The table, likewise.
    pub table: String,
    /// Entries as of the last vacuum or analyze; -1 if there was none.
    pub rows: f64,
    /// The same in pages.
    pub pages: f64,
    /// Of a page, in bytes.
    pub block_size: f64,
    /// In percent.
    pub fill_factor: f64,
    /// No key is there twice.
    pub is_unique: bool,
    /// It has a `WHERE`: the statistics are about other rows too.
    pub is_partial: bool,
    /// Entries with the same key share it.
    pub shares_keys: bool,
    /// Rows of the table.
    pub table_rows: f64,
    /// Rows of the table changed since the last analyze.
    pub modified: f64,
    /// Dead rows of the table.
    pub dead: f64,
    /// The counters go back to the last analyze.
    pub counted: bool,
    /// What is known of its columns.
    pub columns: Vec<Column>,
    /// How many B-trees there are of more than one page; no more than two hundred of them are told.
    pub considered: u64,
}

impl Index {
    /// Reads the answer to [`INDEX_BLOAT`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        rows(answer).filter(|row| row.has("index_name")).map(Index::of).collect()
    }

    pub(crate) fn of(row: Row<'_>) -> Result<Self, Unreadable> {
        let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
        Ok(Index {
            name: row.text("index_name")?.unwrap_or_default().to_owned(),
            table: row.text("table_name")?.unwrap_or_default().to_owned(),
            rows: number("reltuples")?,
            pages: number("relpages")?,
            block_size: number("block_size")?,
            fill_factor: row.number("fill_factor")?.unwrap_or(90.0),
            is_unique: row.flag("is_unique")?,
            is_partial: row.flag("partial")?,
            shares_keys: row.flag("shares_keys")?,
            table_rows: number("table_rows")?,
            modified: number("modified")?,
            dead: number("dead")?,
            counted: row.flag("counted")?,
            columns: Column::read(row.text("columns")?.unwrap_or_default()),
            considered: row.number("considered")?.unwrap_or_default(),
        })
    }

    /// Its size in bytes, as the catalog has it.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        self.pages * self.block_size
    }

    /// How much of it is waste.
    ///
    /// # Errors
    /// That is not known, and why.
    pub fn estimate(&self) -> Result<Estimate, Unknown> {
        are_fit(self.rows, self.counted, self.modified * self.rows / self.table_rows.max(1.0))?;
        let dead = self.dead / (self.table_rows + self.dead).max(1.0);
        if dead > TOO_MUCH {
            return Err(Unknown::Dead(dead));
        }
        let is_other =
            |column: &Column| column.is_cstring || column.fixed.is_none() && column.width > Some(WIDEST);
        if self.columns.iter().any(is_other) {
            return Err(Unknown::Stored);
        }
        let data = data(&self.columns).ok_or(Unknown::NoStatistics)?;
        let header = data.with_nulls * ENTRY_HEADER_NULLS + (1.0 - data.with_nulls) * ENTRY_HEADER;
        let key = rounded(data, header);
        let (most, least) = self.entries(key).ok_or(Unknown::NoStatistics)?;
        let pages = self.pages.max(1.0);
        let waste = |bytes: f64| share(1.0 - self.needed(bytes, key) / pages);
        let (low, high) = (waste(most), waste(least));
        if high - low > SPREAD {
            return Err(Unknown::Repeats(low, high));
        }
        let middle = f64::midpoint(most, least);
        let usable = self.block_size - PAGE_OVERHEAD;
        // Each leaf but the last has the first key of the next one besides.
        let taken = middle + self.needed(middle, key).min(pages) * (key + POINTER);
        Ok(Estimate {
            bytes: self.bytes(),
            free: share(1.0 - taken / (pages * usable)),
            waste: f64::midpoint(low, high),
            at_least: false,
        })
    }

    /// How many pages entries of so many bytes take when the index is built.
    fn needed(&self, bytes: f64, key: f64) -> f64 {
        let usable = self.block_size - PAGE_OVERHEAD;
        let filled = usable - self.block_size * (1.0 - self.fill_factor / 100.0) - (key + POINTER);
        let leaves = (bytes / filled.max(key)).ceil().max(1.0);
        let inner = usable * INNER_FILL / (key + POINTER);
        // The first page tells where the root is.
        1.0 + leaves + if leaves > 1.0 { (leaves / (inner - 1.0).max(1.0)).ceil() } else { 0.0 }
    }

    /// How many bytes all entries take: at most, and at least.
    fn entries(&self, key: f64) -> Option<(f64, f64)> {
        let apart = self.rows * (key + POINTER);
        if !self.shares_keys || self.rows < 1.0 {
            return Some((apart, apart));
        }
        if let ([column], false) = (self.columns.as_slice(), self.is_partial) {
            return self.of_one(column);
        }
        if self.is_unique {
            return Some((apart, apart));
        }
        let all: Vec<f64> =
            self.columns.iter().map(|column| self.distinct(column)).collect::<Option<Vec<f64>>>()?;
        let fewest = all.iter().copied().fold(1.0, f64::max);
        let most = match self.is_partial {
            true => self.rows,
            false => all.iter().product::<f64>().min(self.rows),
        };
        let fewest = if self.is_partial { 1.0 } else { fewest };
        Some((self.shared(self.rows, most, key), self.shared(self.rows, fewest, key)))
    }

    /// Of an index on one column, whose common values are known one by one.
    fn of_one(&self, column: &Column) -> Option<(f64, f64)> {
        let nulls = column.nulls?;
        // What is null is one key, which takes no room but has a longer header.
        let value = Column { nulls: Some(0.0), ..column.clone() };
        let key = rounded(data(&[value])?, ENTRY_HEADER);
        let null = self.shared(self.rows * nulls, 1.0, ENTRY_HEADER_NULLS);
        if self.is_unique {
            let all = null + self.rows * (1.0 - nulls) * (key + POINTER);
            return Some((all, all));
        }
        let common: f64 = column.common.iter().sum();
        let group = |share: &f64| self.shared(self.rows * share, 1.0, key);
        let known: f64 = null + column.common.iter().map(group).sum::<f64>();
        let rest = (self.rows * (1.0 - nulls - common)).max(0.0);
        let distinct = (self.distinct(column)? - column.common.len() as f64).clamp(1.0, rest.max(1.0));
        let error = if self.table_rows > SAMPLE { DISTINCT_ERROR } else { 1.0 };
        let most = (distinct * error).min(rest.max(1.0));
        Some((known + self.shared(rest, most, key), known + self.shared(rest, distinct, key)))
    }

    fn distinct(&self, column: &Column) -> Option<f64> {
        let distinct = column.distinct?;
        let all = if distinct < 0.0 { -distinct * self.table_rows } else { distinct };
        Some(all.clamp(1.0, self.rows.max(1.0)))
    }

    /// How many bytes so many entries take that have so many keys among them.
    fn shared(&self, rows: f64, keys: f64, key: f64) -> f64 {
        if rows < 1.0 {
            return 0.0;
        }
        let copies = (rows / keys).max(1.0);
        let longest = up_to(self.block_size / 10.0, 8.0) - 8.0 - POINTER;
        let a_list = ((longest - key) / ADDRESS).floor();
        if a_list < 2.0 {
            return rows * (key + POINTER);
        }
        // Two and more make a list; on the way from one to two some keys have one and some have two.
        let list = |copies: f64| up_to(key + ADDRESS * copies, 8.0) + POINTER;
        let one = key + POINTER;
        let of_key = match copies {
            few if few < 2.0 => one + (list(2.0) - one) * (few - 1.0),
            some if some <= a_list => list(some),
            many => {
                let full = (many / a_list).floor();
                let rest = many - full * a_list;
                full * list(a_list) + if rest >= 1.0 { list(rest) } else { 0.0 }
            }
        };
        keys * of_key
    }
}
