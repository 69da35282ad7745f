//! How much of a table or an index is waste, counted by the extension `pgstattuple`.
//!
//! It reads what it counts: of an index every page (`pgstatindex`); of a table every page (`pgstattuple`), or, where the table is
//! large, only the pages that hold more than rows which all transactions see (`pgstattuple_approx`; after a vacuum those are few).
//! The rest of the pages it takes from the free space map, which counts the line pointers of removed rows as used: the waste of
//! narrow rows comes out up to a tenth too low. It takes the lock that a `SELECT` takes, and holds an old snapshot as long as it
//! reads. What is made of the counts is the same as of an estimate: how much a rewrite would give back.

use super::Estimate;
use super::row::up_to;
use super::share;
use super::tables::{PAGE_HEADER, POINTER};
use crate::answer::{Row, Unreadable, rows};
use crate::checks::subject::literal;
use tokio_postgres::SimpleQueryMessage;

/// Asks whether `pgstattuple` can be used. The answer is read by [`Extension::read`].
pub const MEASURES: &str = include_str!("../sql/bloat_measures.sql");

/// How tables are counted.
pub const METHOD_TABLE: &str = "counted by pgstattuple";

/// How large tables are counted.
pub const METHOD_LARGE: &str = "counted by pgstattuple_approx (where all rows are visible by the free space map, which takes some waste for used)";

/// How indexes are counted.
pub const METHOD_INDEX: &str = "counted by pgstatindex";

/// The extension, where it is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its schema, quoted where it must be.
    pub schema: String,
    /// The role that asks may call it.
    pub may: bool,
}

impl Extension {
    /// Reads the answer to [`MEASURES`]; `None` if it is not installed in this database.
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Option<Self>, Unreadable> {
        let Some(row) = rows(answer).find(|row| row.has("measure")) else { return Ok(None) };
        Ok(Some(Extension {
            schema: row.text("schema")?.unwrap_or_default().to_owned(),
            may: row.flag("may")?,
        }))
    }

    /// Asks for the counts of this table, whose name is quoted where it must be; of a large one without reading all of it. The answer
    /// is read by [`of_table`].
    #[must_use]
    pub fn table(&self, name: &str, is_large: bool) -> String {
        let columns = match is_large {
            true => "approx_tuple_count AS rows, approx_tuple_len AS row_bytes, scanned_percent AS scanned",
            false => "tuple_count AS rows, tuple_len AS row_bytes, 100 AS scanned",
        };
        let function = if is_large { "pgstattuple_approx" } else { "pgstattuple" };
        format!(
            "SELECT table_len AS exact_len, {columns}, dead_tuple_count AS dead, \
             pg_catalog.current_setting('block_size') AS block_size \
             FROM {}.{function}({})",
            self.schema,
            relation(name)
        )
    }

    /// The same for a B-tree. The answer is read by [`of_index`].
    #[must_use]
    pub fn index(&self, name: &str) -> String {
        format!(
            "SELECT index_size AS exact_len, internal_pages, leaf_pages, \
             CASE WHEN leaf_pages > 0 THEN avg_leaf_density ELSE 0 END AS density, \
             pg_catalog.current_setting('block_size') AS block_size \
             FROM {}.pgstatindex({})",
            self.schema,
            relation(name)
        )
    }
}

/// A table or an index by its number: by its name it is found only by a role with rights on its schema, which no role has on that of
/// the TOAST tables.
fn relation(name: &str) -> String {
    format!(
        "(SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE pg_catalog.format('%I.%I', n.nspname, c.relname) = {})::pg_catalog.regclass",
        literal(name)
    )
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// As an estimate has it.
    pub estimate: Estimate,
    /// Dead rows that no vacuum has removed yet; none are counted in an index.
    pub dead: f64,
}

/// What the counts of a table come to, by its fill factor in percent.
///
/// # Errors
/// The answer is not one to this question.
pub fn of_table(answer: &[SimpleQueryMessage], fill_factor: f64) -> Result<Option<Counted>, Unreadable> {
    let Some(row) = rows(answer).find(|row| row.has("exact_len")) else { return Ok(None) };
    let (bytes, block) = sizes(row)?;
    let rows: f64 = row.number("rows")?.unwrap_or_default();
    let row_bytes: f64 = row.number("row_bytes")?.unwrap_or_default();
    let scanned = row.number::<f64>("scanned")?.unwrap_or_default() / 100.0;
    let pages = bytes / block;
    let usable = block - PAGE_HEADER;
    let filled = usable - block * (1.0 - fill_factor / 100.0);
    // Of the pages that were not read all is counted that is not free: their headers, and each row with its line pointer.
    let skipped_headers = (1.0 - scanned) * pages * PAGE_HEADER;
    let read_rows = rows * scanned;
    let average = row_bytes / rows.max(1.0);
    let taken = row_bytes - skipped_headers + read_rows * (up_to(average, 8.0) - average + POINTER);
    let needed = (taken / filled.max(average)).ceil();
    let estimate = Estimate {
        bytes,
        free: share((pages * usable - taken) / bytes.max(1.0)),
        waste: if pages > 0.0 { share(1.0 - needed / pages) } else { 0.0 },
        at_least: false,
    };
    Ok(Some(Counted { estimate, dead: row.number("dead")?.unwrap_or_default() }))
}

/// What the counts of a B-tree come to, by its fill factor in percent.
///
/// # Errors
/// The answer is not one to this question.
pub fn of_index(answer: &[SimpleQueryMessage], fill_factor: f64) -> Result<Option<Counted>, Unreadable> {
    let Some(row) = rows(answer).find(|row| row.has("exact_len")) else { return Ok(None) };
    let (bytes, block) = sizes(row)?;
    let leaves: f64 = row.number("leaf_pages")?.unwrap_or_default();
    let inner: f64 = row.number("internal_pages")?.unwrap_or_default();
    let density: f64 = row.number("density")?.unwrap_or_default();
    let used = leaves * density / 100.0;
    // Full leaves keep what the fill factor leaves free; the pages above shrink with them. The first page tells where the root is.
    let needed_leaves = (used / (fill_factor / 100.0).max(0.1)).ceil().max(1.0);
    let needed = 1.0 + needed_leaves + (inner * needed_leaves / leaves.max(1.0)).ceil().min(inner);
    let pages = bytes / block;
    let estimate = Estimate {
        bytes,
        free: share(1.0 - used / pages.max(1.0)),
        waste: if pages > 0.0 { share(1.0 - needed / pages) } else { 0.0 },
        at_least: false,
    };
    Ok(Some(Counted { estimate, dead: 0.0 }))
}

fn sizes(row: Row<'_>) -> Result<(f64, f64), Unreadable> {
    let number = |column| row.number::<f64>(column).map(Option::unwrap_or_default);
    Ok((number("exact_len")?, number("block_size")?.max(1.0)))
}
