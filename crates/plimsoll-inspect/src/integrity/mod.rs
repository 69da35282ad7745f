//! Whether the rows keep what the tables promise: foreign keys, unique keys, required columns, checks.
//!
//! A server enforces its promises on what it writes from then on, and still there are tables whose rows break them: a
//! constraint that was added `NOT VALID`, rows that were loaded with triggers disabled (`session_replication_role`,
//! `pg_restore --disable-triggers`), a unique index that a new version of the operating system's collation has put out of
//! order, a key that a migration forgot. Queries give wrong answers then, and the next migration or restore fails.
//!
//! Two questions. [`RULES`] lists what is promised; [`Rule::question`] makes of one promise the question how many rows break
//! it, and [`Broken::read`] reads the answer. The second reads a whole table, so it is asked one promise at a time, within a
//! limit of its own, and outside busy hours.
//!
//! [`missing_keys`] has the columns that look as if a promise were missing.
//!
//! ```no_run
//! use plimsoll_inspect::integrity::{Broken, RULES, Rule};
//! use std::time::Duration;
//!
//! # async fn example(client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
//! for rule in Rule::read(&client.simple_query(RULES).await?)? {
//!     let answer = client.simple_query(&rule.question(Duration::from_secs(30))).await?;
//!     match Broken::read(&answer)? {
//!         Broken { rows: 0, .. } => {}
//!         broken => println!("{rule}: {broken}"),
//!     }
//! }
//! # Ok(()) }
//! ```

pub mod missing_keys;

use crate::answer::{Unreadable, rows};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks what the tables of this database promise of their rows: at most [`MOST_RULES`] promises. The answer is read by
/// [`Rule::read`].
pub const RULES: &str = include_str!("../sql/integrity_rules.sql");

/// So many promises are listed.
pub const MOST_RULES: usize = 10_000;

/// The same of one table, by the names that the server has for it and its schema; without a schema, of each table of that name.
#[cfg(feature = "checks")]
#[must_use]
pub fn rules_of(schema: Option<&str>, table: &str) -> String {
    use crate::checks::subject::literal;
    let (schema, table) = (literal(schema.unwrap_or_default()), literal(table));
    let rules = crate::mark::without_comment(RULES);
    format!("SET LOCAL plimsoll.schema_name = {schema}; SET LOCAL plimsoll.table_name = {table};\n{rules}")
}

/// Rows that break a promise are counted up to here.
const MOST: u64 = 1_000;

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Each row refers to one that exists. Rows that do not are orphans.
    ForeignKey,
    /// No two rows have the same key.
    Unique,
    /// A column has a value in each row.
    Required,
    /// A condition holds for each row.
    Check,
}

impl Kind {
    /// What is counted of those that break it: rows, or keys that are there more than once.
    #[must_use]
    pub fn counted(self) -> &'static str {
        if self == Kind::Unique { "keys" } else { "rows" }
    }

    /// `foreign key`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::ForeignKey => "foreign key",
            Kind::Unique => "unique",
            Kind::Required => "required",
            Kind::Check => "check",
        }
    }
}

/// What a table promises of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rule {
    /// What the promise is about.
    pub kind: Kind,
    /// The table, with its schema, quoted where that is needed.
    pub table: String,
    /// The name of the constraint, of the unique index, or of the required column.
    pub name: String,
    /// How it is declared; a few words instead if it is locked.
    pub definition: String,
    /// A session has locked the table, so that neither this can be read nor any row.
    #[serde(default)]
    pub is_locked: bool,
    /// Whether the server counts on it. If not, it was added `NOT VALID`, or building its index has failed.
    pub is_validated: bool,
    #[serde(skip, default)]
    look: String,
    /// What a unique key is made of.
    #[serde(skip, default)]
    keys: Option<String>,
    /// What validates it, where that is no matter of the constraint's name.
    #[serde(skip, default)]
    validates: Option<String>,
}

impl Rule {
    /// Reads the answer to [`RULES`], by table.
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        let mut rules = Vec::new();
        for row in rows(answer).filter(|row| row.has("look")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            let kind = match row.text("kind")? {
                Some("foreign_key") => Kind::ForeignKey,
                Some("unique") => Kind::Unique,
                Some("required") => Kind::Required,
                _ => Kind::Check,
            };
            rules.push(Rule {
                kind,
                table: text("table_name")?,
                name: text("name")?,
                definition: row.text("definition")?.unwrap_or("(locked by a session)").to_owned(),
                is_locked: row.text("look")?.is_none(),
                is_validated: row.flag("is_validated")?,
                look: text("look")?,
                keys: row.text("keys")?.map(str::to_owned),
                validates: row.text("validates")?.map(str::to_owned),
            });
        }
        Ok(rules)
    }

    /// The statement that makes the server look at the rows that were there before, which for an index is to build it anew. It fails
    /// as long as rows break the promise: those are mended first. `None` if the server has looked, or if there is no such statement
    /// (what is `NOT ENFORCED` is not looked at).
    #[must_use]
    pub fn validate(&self) -> Option<String> {
        if self.is_validated {
            return None;
        }
        if self.validates.is_some() {
            return self.validates.clone();
        }
        let can_be =
            matches!(self.kind, Kind::ForeignKey | Kind::Check) && !self.definition.ends_with("NOT ENFORCED");
        let name = self.name.replace('"', "\"\"");
        (can_be && !self.is_validated)
            .then(|| format!("ALTER TABLE {} VALIDATE CONSTRAINT \"{name}\"", self.table))
    }

    /// The statements by which somebody sees what breaks this promise: the rows, with where they are in the table (`ctid`); of a unique
    /// key, each that is there more than once, and how often, read from the table and not from an index that may be out of order.
    /// Nothing for what is locked.
    #[must_use]
    pub fn find(&self) -> Vec<String> {
        let Some(rest) = self.look.strip_prefix("SELECT 1 ") else { return Vec::new() };
        match &self.keys {
            None => vec![format!("SELECT ctid, * {rest}")],
            Some(keys) => ["enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"]
                .iter()
                .map(|setting| format!("SET {setting} = off"))
                .chain([format!("SELECT {keys}, pg_catalog.count(*) {rest}")])
                .collect(),
        }
    }

    /// The question how many rows break this promise, for a role that may read the table. It reads the table itself and
    /// no index, since an index that is out of order would say that all is well. After this time (at least a millisecond)
    /// the server gives up, with SQLSTATE 57014. There is no such question of what [is locked](Self::is_locked): it has no row.
    #[must_use]
    pub fn question(&self, limit: Duration) -> String {
        let millis = limit.as_millis().clamp(1, 86_400_000);
        let look = if self.is_locked { "SELECT 1 WHERE false" } else { &self.look };
        format!(
            "SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = 100; \
             SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off; \
             SET LOCAL constraint_exclusion = off; \
             SELECT pg_catalog.count(*) AS broken_rows FROM ({look} LIMIT {}) AS broken",
            MOST + 1
        )
    }
}

impl fmt::Display for Rule {
    /// `public.orders, foreign key orders_customer_fkey: FOREIGN KEY (customer) REFERENCES customers(id)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} {}: {}", self.table, self.kind.as_str(), self.name, self.definition)?;
        if self.is_validated { Ok(()) } else { f.write_str(" (not validated)") }
    }
}

/// How many rows break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Broken {
    /// So many rows; of a unique key, so many keys that are there more than once ([`Kind::counted`]).
    pub rows: u64,
    /// There are more, which were not counted.
    pub has_more: bool,
}

impl Broken {
    /// Reads the answer to a question of [`Rule::question`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut counted = 0;
        for row in rows(answer) {
            counted = row.number::<u64>("broken_rows")?.unwrap_or_default();
        }
        Ok(Broken { rows: counted.min(MOST), has_more: counted > MOST })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.has_more { "more than " } else { "" };
        write!(f, "{more}{} broken", self.rows)
    }
}
