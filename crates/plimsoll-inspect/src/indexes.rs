//! Which indexes there are, and which do nothing, or nothing that another one does not do.
//!
//! [`question`] asks for the indexes of a table, or for the worst of the database: those that are not valid (a `CREATE INDEX
//! CONCURRENTLY` that failed leaves one, which costs every write and serves no query), that another index covers, and that no scan has
//! used since the counters began. [`Indexes::read`] reads the answer. Catalogs and counters are read, and the size of each index that
//! is listed, unless somebody has locked it.
//!
//! What the counters cannot tell: scans on standbys are counted there. And a young counter says little, which is why
//! [`Indexes::counted_for`] comes with the answer.

use crate::answer::{Row, Unreadable, rows};
use crate::checks::subject::literal;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

const INDEXES: &str = include_str!("sql/indexes.sql");

/// The most indexes that can be asked for.
pub const MOST: u32 = 1_000;

/// The question for so many indexes, at least one and at most [`MOST`]: those of these tables, or the worst of all. A table is named
/// by its schema and its name as the server has them; without a schema it is meant in every one.
#[must_use]
pub fn question(tables: &[(Option<&str>, &str)], limit: u32) -> String {
    let mut named = String::new();
    for (schema, table) in tables {
        named.push_str(&format!(", ({}, {})", literal(schema.unwrap_or_default()), literal(table)));
    }
    // The tables last: a name may hold anything.
    INDEXES.replace("{limit}", &limit.clamp(1, MOST).to_string()).replace("{tables}", &named)
}

/// Indexes, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Indexes {
    /// As many as were asked for at the most.
    pub indexes: Vec<Index>,
    /// How many tables were looked at.
    pub tables_count: u64,
    /// How many indexes they have.
    pub indexes_count: u64,
    /// How many of them stand out.
    pub standing_out: u64,
    /// For how long scans have been counted.
    pub counted_for: Option<Duration>,
    /// How many standbys there are, whose scans are counted there; a role without pg_monitor sees them too.
    pub standbys: u64,
}

/// One index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Index {
    /// With its schema, quoted where that is needed.
    pub name: String,
    /// Its table, likewise.
    pub table: String,
    /// How it is made; `None` if it is locked.
    pub definition: Option<String>,
    /// Its size in bytes; `None` for one of a partitioned table, which is in its parts.
    pub bytes: Option<u64>,
    /// Some session has locked it or its table: the size is as of the last vacuum.
    pub is_locked: bool,
    /// How many scans have used it since the counters began.
    pub scans: u64,
    /// When the last one was; only PostgreSQL 16 and later tell.
    pub last_scan: Option<String>,
    /// No two rows have the same key.
    pub is_unique: bool,
    /// It is that of the primary key.
    pub is_primary: bool,
    /// The constraint that it belongs to.
    pub constraint: Option<String>,
    /// It is not valid, and no session is at work on it.
    pub is_invalid: bool,
    /// A session builds it, builds it anew, or drops it.
    pub is_worked_on: bool,
    /// No scan has used it, and nothing else needs it.
    pub is_unused: bool,
    /// The index that does all that this one does.
    pub covered_by: Option<String>,
    /// That one has the same columns, and not more.
    pub is_same: bool,
    /// A foreign key of its table is looked up by it, when rows of the other table are deleted.
    pub serves_foreign_key: bool,
    /// It stands for the indexes of the partitions.
    pub is_partitioned: bool,
    /// It is the index of a partition.
    pub is_of_partition: bool,
    /// The statement that drops it, where it stands out and may be dropped. `definition` brings it back.
    pub drop: Option<String>,
}

impl Index {
    /// It is not valid, covered by another one, or unused.
    #[must_use]
    pub fn stands_out(&self) -> bool {
        self.is_invalid || self.covered_by.is_some() || self.is_unused
    }

    fn read(row: Row<'_>, name: &str) -> Result<Self, Unreadable> {
        let text = |column| row.text(column).map(|text| text.map(str::to_owned));
        Ok(Index {
            name: name.to_owned(),
            table: text("table_name")?.unwrap_or_default(),
            definition: text("definition")?,
            bytes: row.number("bytes")?,
            is_locked: row.flag("is_locked")?,
            scans: row.number("scans")?.unwrap_or_default(),
            last_scan: text("last_scan")?,
            is_unique: row.flag("is_unique")?,
            is_primary: row.flag("is_primary")?,
            constraint: text("constraint_name")?,
            is_invalid: row.flag("is_invalid")?,
            is_worked_on: row.flag("is_worked_on")?,
            is_unused: row.flag("is_unused")?,
            covered_by: text("covered_by")?,
            is_same: row.flag("is_same")?,
            serves_foreign_key: row.flag("serves_foreign_key")?,
            is_partitioned: row.flag("is_partitioned")?,
            is_of_partition: row.flag("is_of_partition")?,
            drop: text("drop_index")?,
        })
    }
}

impl Indexes {
    /// Reads the answer to [`question`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut found = Indexes::default();
        for row in rows(answer).filter(|row| row.has("standing_out")) {
            let count = |column| row.number::<u64>(column).map(Option::unwrap_or_default);
            found.tables_count = count("tables_count")?;
            found.indexes_count = count("indexes_count")?;
            found.standing_out = count("standing_out")?;
            found.standbys = count("standbys")?;
            let seconds: Option<f64> = row.number("counted_seconds")?;
            found.counted_for =
                seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
            // Without any index there is one row with what is known beside them.
            if let Some(name) = row.text("index_name")? {
                found.indexes.push(Index::read(row, name)?);
            }
        }
        Ok(found)
    }
}
