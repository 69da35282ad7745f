//! Which indexes there are, and which do nothing, or nothing that another one does not do.
//!
//! [`question`] asks for the indexes of a table, or for the worst of the database: those that are not valid (a `CREATE INDEX
//! CONCURRENTLY` that failed leaves one, which costs every write and serves no query), that another index covers, and that no scan has
//! used since the counters began. [`Indexes::read`] reads the answer. Catalogs and counters are read, and the size of each index that
//! is listed, unless somebody has locked it.
//!
//! What the counters cannot tell: scans on standbys are counted there. And a young counter says little, which is why
//! [`Indexes::counted_for`] comes with the answer.

pub mod remedy;

use crate::answer::{Row, Unreadable, rows};
use crate::checks::finding::Remedy;
use crate::checks::subject::literal;
use crate::mark::without_comment;
use remedy::Invalid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the worst of all indexes, at most [`MOST`].
pub(crate) const INDEXES: &str = include_str!("../sql/indexes.sql");

/// The most indexes that can be asked for.
pub const MOST: u32 = 1_000;

/// For so many days scans have to be counted before an index without one is called unused.
pub const UNUSED_DAYS: u32 = 30;

/// The question for so many indexes, at least one and at most [`MOST`]: those of these tables, or the worst of all. A table is named
/// by its schema and its name as the server has them; without a schema it is meant in every one.
#[must_use]
pub fn question(tables: &[(Option<&str>, &str)], limit: u32) -> String {
    let mut named = String::new();
    for (schema, table) in tables {
        named.push_str(&format!(", ({}, {})", literal(schema.unwrap_or_default()), literal(table)));
    }
    // The text of the question has no such comment elsewhere, and a name that holds one comes in after the search.
    let question = without_comment(INDEXES).replace("/* tables */", &named);
    format!("SET LOCAL plimsoll.indexes_most = {};\n{question}", limit.clamp(1, MOST))
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
    /// A session may be building it: whose progress that is, this role may not see.
    pub may_be_under_way: bool,
    /// A rebuild that failed, or was stopped, left it behind.
    pub is_left_over: bool,
    /// Its tablespace, where that is not the one of the database.
    pub tablespace: Option<String>,
    /// The question for the rows with equal keys, where those may keep a unique index from being valid.
    pub equal_rows: Option<String>,
    /// The statement that drops or rebuilds it. All that are told may be run together: of indexes that do the same work one stays.
    pub run: Option<String>,
    /// The statements that make again what is dropped; none for an index that is not valid.
    pub undo: Vec<String>,
    /// What to do, where no statement alone does it; or why it is better to wait.
    pub advice: Option<String>,
    /// Nothing speaks against a drop but that something may be lost.
    #[serde(skip)]
    pub(crate) may_be_dropped: bool,
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
            may_be_under_way: row.flag("may_be_under_way")?,
            is_left_over: row.flag("is_left_over")?,
            tablespace: text("tablespace")?,
            equal_rows: text("equal_rows")?,
            may_be_dropped: row.flag("may_be_dropped")?,
            ..Index::default()
        })
    }

    /// As one that is not valid.
    fn invalid(&self) -> Invalid<'_> {
        Invalid {
            name: &self.name,
            is_left_over: self.is_left_over,
            covered_by: self.covered_by.as_deref(),
            is_unique: self.is_unique,
            equal_rows: self.equal_rows.as_deref(),
        }
    }

    fn take(&mut self, remedy: Remedy) {
        match remedy {
            Remedy::Sql { run, undo, .. } => {
                self.run = run.into_iter().next();
                self.undo = undo;
            }
            Remedy::Advice { text } => self.advice = Some(text),
        }
    }
}

impl Indexes {
    /// Reads the answer to [`question`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        Indexes::of(rows(answer))
    }

    /// The same of rows, which may be those of other questions too.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = Row<'a>>) -> Result<Self, Unreadable> {
        let mut found = Indexes::default();
        for row in rows.filter(|row| row.has("standing_out")) {
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

    /// Whether scans have been counted for long enough to call an index unused.
    #[must_use]
    pub fn unused_is_known(&self, unused_after: Duration) -> bool {
        self.counted_for.is_some_and(|time| time >= unused_after)
    }

    /// The indexes that are named as doing the work of others: they stay while those go.
    #[must_use]
    pub fn that_stay(&self) -> BTreeSet<String> {
        self.indexes.iter().filter_map(|index| index.covered_by.clone()).collect()
    }

    /// Says for each that stands out what to do, such that all of it can be done together. That an index is unused counts once scans
    /// have been counted for so long, and only where no standby has scans of its own.
    pub fn advise(&mut self, unused_after: Duration) {
        let (is_known, stay) = (self.unused_is_known(unused_after), self.that_stay());
        let standbys = self.standbys;
        for index in self.indexes.iter_mut().filter(|index| index.stands_out()) {
            if index.is_invalid {
                let remedy = index.invalid().remedy();
                index.take(remedy);
            } else if !index.may_be_dropped {
                // Something else needs it.
            } else if index.covered_by.is_some() {
                let remedy = remedy::drop(index);
                index.take(remedy);
            } else if !is_known {
                index.advice = Some("skipped: scans have not been counted for long enough".to_owned());
            } else if stay.contains(&index.name) {
                index.advice = Some(
                    "it does the work of those that are dropped above; look again when they are gone"
                        .to_owned(),
                );
            } else if standbys > 0 {
                index.advice = Some("ask the standbys first, which count their own scans".to_owned());
            } else {
                let remedy = remedy::drop(index);
                index.take(remedy);
            }
        }
    }
}
