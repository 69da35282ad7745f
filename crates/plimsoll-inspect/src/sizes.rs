//! How large the largest tables are: with their indexes and their TOAST.
//!
//! [`question`] is asked of a database, and [`Sizes::read`] reads the answer. To measure a table the server opens it, which waits for a
//! session that has locked it `ACCESS EXCLUSIVE` (`ALTER TABLE`, `VACUUM FULL`, `TRUNCATE`). So only those that may be among the
//! largest are measured, and of one that is locked the answer has what the catalog knows, which is as of its last vacuum or analyze,
//! and says so. A lock that is taken in the meantime ends the question at its limit; [`Measure::Estimated`] then asks the catalog only.

use crate::answer::{Unreadable, rows};
use serde::{Deserialize, Serialize};
use tokio_postgres::SimpleQueryMessage;

const SIZES: &str = include_str!("sql/sizes.sql");

/// The most tables that can be asked for.
pub const MOST: u32 = 1_000;

/// Where the sizes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From the files, except for what is locked.
    Exact,
    /// From the catalog, which opens no table.
    Estimated,
}

/// The question for so many tables of this database, at least one and at most [`MOST`]. Partitions count for their table, or each by
/// itself.
#[must_use]
pub fn question(limit: u32, measure: Measure, partitions_apart: bool) -> String {
    let truth = |is: bool| if is { "true" } else { "false" };
    SIZES
        .replace("{limit}", &limit.clamp(1, MOST).to_string())
        .replace("{exact}", truth(measure == Measure::Exact))
        .replace("{by_root}", truth(!partitions_apart))
}

/// The largest tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sizes {
    /// The largest first.
    pub tables: Vec<Size>,
    /// How many tables there are; each partition is one.
    pub tables_count: u64,
}

/// The sizes of one table. A megabyte is 1,048,576 bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Size {
    /// With its schema, quoted where that is needed.
    pub name: String,
    /// All that follows together.
    pub total_mb: f64,
    /// The rows, without what lies in TOAST; with the maps of free and of visible pages.
    pub data_mb: f64,
    /// The indexes, without that of TOAST.
    pub index_mb: f64,
    /// The long values, with their index.
    pub toast_mb: f64,
    /// How many rows there are, as of the last vacuum or analyze; 0 if there was none.
    pub rows: u64,
    /// How many partitions were added up; `None` if it has none.
    pub partitions: Option<u64>,
    /// Some of it was not measured: it is as of the last vacuum or analyze.
    pub is_estimated: bool,
    /// Some session has locked it, or is about to, so that every other one waits.
    pub is_locked: bool,
}

impl Sizes {
    /// Reads the answer to [`question`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut sizes = Sizes::default();
        for row in rows(answer).filter(|row| row.has("tables_count")) {
            sizes.tables_count = row.number("tables_count")?.unwrap_or_default();
            // Without any table there is one row with what is known beside them.
            let Some(name) = row.text("table_name")? else { continue };
            let bytes = |column| row.number::<u64>(column).map(Option::unwrap_or_default);
            let (data, index, toast) = (bytes("data_bytes")?, bytes("index_bytes")?, bytes("toast_bytes")?);
            sizes.tables.push(Size {
                name: name.to_owned(),
                total_mb: megabytes(data + index + toast),
                data_mb: megabytes(data),
                index_mb: megabytes(index),
                toast_mb: megabytes(toast),
                rows: row.number("tuples")?.unwrap_or_default(),
                partitions: row.number("parts")?,
                is_estimated: row.flag("is_estimated")?,
                is_locked: row.flag("is_locked")?,
            });
        }
        Ok(sizes)
    }

    /// Some of it was not measured.
    #[must_use]
    pub fn is_estimated(&self) -> bool {
        self.tables.iter().any(|table| table.is_estimated)
    }
}

/// With two digits after the point.
#[expect(clippy::cast_precision_loss, reason = "two digits of a megabyte")]
fn megabytes(bytes: u64) -> f64 {
    (bytes as f64 / 1_048_576.0 * 100.0).round() / 100.0
}
