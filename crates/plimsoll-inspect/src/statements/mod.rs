//! Which statements take the server's time.
//!
//! Two questions. [`COLLECTED`] asks whether the extension `pg_stat_statements` collects, and [`Collecting::remedy`] says
//! what to do where it does not. If it does, [`Collecting::top`] makes the question for the top statements, by the time of
//! all calls together, by the mean time of a call, by what was read and written, or by temporary files; the answer is read by
//! [`TopStatements::read`]. What is kept of the counters, so that what happened between two looks is known even where the
//! statistics were reset in the meantime, is in [`history`].
//!
//! The statement with the highest total is what the server is busy with, though each call may be quick. The one with the
//! highest mean is what its callers wait for. Of a statement that was called a few times the mean says little, so the second
//! list has only those that were called [more than ten times](Order).
//!
//! ```no_run
//! use plimsoll_inspect::statements::{COLLECTED, Collecting, Order, TopStatements};
//!
//! # async fn example(client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let collecting = Collecting::read(&client.simple_query(COLLECTED).await?)?;
//! match collecting.top(Order::Total) {
//!     Ok(question) => println!("{}", TopStatements::read(&client.simple_query(&question).await?)?),
//!     Err(gap) => println!("{gap}"),
//! }
//! # Ok(()) }
//! ```

pub mod history;

use crate::answer::{Row, Unreadable, rows};
use crate::mark::is_ours;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks whether `pg_stat_statements` collects. The answer is read by [`Collecting::read`].
pub const COLLECTED: &str = include_str!("../sql/statements_collected.sql");

const TOP: &str = include_str!("../sql/statements_top.sql");
const SNAPSHOT: &str = include_str!("../sql/statements_snapshot.sql");

/// The oldest version of the extension that has what is asked for: that of PostgreSQL 14.
const OLDEST: (u32, u32) = (1, 9);

/// By what the top statements are the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The time of all calls together.
    Total,
    /// The mean time of a call, of statements that were called more than ten times.
    Mean,
    /// What was read into the server's memory and written from it.
    Io,
    /// What was written to temporary files and read from them: sorts and hashes that `work_mem` has no room for.
    Temp,
}

impl Order {
    /// Of a statement that was called so often or less, this order says little.
    #[must_use]
    pub fn least_calls(self) -> u64 {
        if self == Order::Mean { 10 } else { 0 }
    }
}

/// The most statements that can be asked for.
pub const MOST: u32 = 200;

/// What stands between the server and statistics of its statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// The server has no such extension.
    #[error(
        "the server does not have pg_stat_statements: install the package with PostgreSQL's contrib modules (Debian has \
         them in postgresql-<version>, Red Hat in postgresql<version>-contrib)"
    )]
    NotAvailable,
    /// The library was not loaded when the server started.
    #[error(
        "pg_stat_statements is not loaded: add it to shared_preload_libraries (ALTER SYSTEM SET shared_preload_libraries = \
         'pg_stat_statements', with those that are there already) and restart the server"
    )]
    NotLoaded,
    /// This database does not have the extension.
    #[error(
        "pg_stat_statements is loaded and this database does not show it: CREATE EXTENSION IF NOT EXISTS pg_stat_statements"
    )]
    NotInstalled,
    /// The extension was installed by an older server and not updated.
    #[error(
        "pg_stat_statements {version} is older than the server: ALTER EXTENSION pg_stat_statements UPDATE"
    )]
    TooOld {
        /// Its version.
        version: String,
    },
    /// It is set to collect nothing.
    #[error(
        "pg_stat_statements.track is none, so nothing is collected: ALTER SYSTEM SET pg_stat_statements.track = 'top', and \
         reload the configuration"
    )]
    SwitchedOff,
}

/// Whether the server keeps statistics of its statements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collecting {
    /// The version of the extension in this database.
    pub version: Option<String>,
    /// The schema that it lies in, quoted where that is needed.
    pub schema: Option<String>,
    /// For how many statements it has room; `None` if the library is not loaded.
    pub room: Option<u64>,
    /// Which statements are counted: `top`, `all` or `none`.
    pub track: Option<String>,
    /// The extension can be installed.
    pub is_available: bool,
}

impl Collecting {
    /// Reads the answer to [`COLLECTED`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        Self::of(rows(answer))
    }

    /// The same of rows, which may be those of other questions too.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = Row<'a>>) -> Result<Self, Unreadable> {
        let mut found = Collecting::default();
        for row in rows.filter(|row| row.has("is_available")) {
            found = Collecting {
                version: row.text("version")?.map(str::to_owned),
                schema: row.text("schema_name")?.map(str::to_owned),
                room: row.number("room")?,
                track: row.text("track")?.map(str::to_owned),
                is_available: row.flag("is_available")?,
            };
        }
        Ok(found)
    }

    /// What is missing, the first thing first; `None` if the server collects.
    #[must_use]
    pub fn remedy(&self) -> Option<Gap> {
        let Some(version) = &self.version else {
            return Some(match (self.is_available, self.room) {
                (false, _) => Gap::NotAvailable,
                (true, None) => Gap::NotLoaded,
                (true, Some(_)) => Gap::NotInstalled,
            });
        };
        let is_old = numbers(version).is_some_and(|version| version < OLDEST);
        match self.room {
            None => Some(Gap::NotLoaded),
            Some(_) if is_old => Some(Gap::TooOld { version: version.clone() }),
            Some(_) => (self.track.as_deref() == Some("none")).then_some(Gap::SwitchedOff),
        }
    }

    /// The question for the twenty top statements of this database. It gives up after five seconds.
    ///
    /// # Errors
    /// Why there is nothing to ask.
    pub fn top(&self, order: Order) -> Result<String, Gap> {
        let question = self.top_of(order, 20, order.least_calls())?;
        Ok(format!("SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 100;\n{question}"))
    }

    /// The question for so many top statements, at most [`MOST`], of those that were called more than so often. It has no limit
    /// on its time of its own.
    ///
    /// # Errors
    /// Why there is nothing to ask.
    pub fn top_of(&self, order: Order, limit: u32, more_than_calls: u64) -> Result<String, Gap> {
        let order = match order {
            Order::Total => "s.total_exec_time",
            Order::Mean => "s.mean_exec_time",
            Order::Io => {
                "(s.shared_blks_read + s.shared_blks_written + s.local_blks_read + s.local_blks_written)"
            }
            Order::Temp => "(s.temp_blks_read + s.temp_blks_written)",
        };
        let calls = more_than_calls.min(i64::MAX.unsigned_abs()).to_string();
        let question = TOP.replace("{calls}", &calls).replace("{order}", order);
        self.of_schema(&question, limit.clamp(1, MOST))
    }

    /// The question for what is kept; the answer is read by [`history::Snapshot::read`].
    ///
    /// # Errors
    /// Why there is nothing to ask.
    pub fn snapshot(&self) -> Result<String, Gap> {
        self.of_schema(SNAPSHOT, history::MOST)
    }

    fn of_schema(&self, question: &str, limit: u32) -> Result<String, Gap> {
        if let Some(gap) = self.remedy() {
            return Err(gap);
        }
        let schema = self.schema.as_deref().ok_or(Gap::NotInstalled)?;
        let question = question.replace("{ours}", &is_ours()).replace("{limit}", &limit.to_string());
        Ok(question.replace("{schema}", schema))
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The statements that take the most time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TopStatements {
    /// As many as were asked for at the most, the first takes the most.
    pub statements: Vec<Statement>,
    /// For how long the server has collected since the statistics were reset.
    pub collected_for: Option<Duration>,
    /// How often it had to forget the rarest statements, because there was no room. What was forgotten is in no list; if
    /// this grows, `pg_stat_statements.max` is too low, or texts vary that should not.
    pub forgotten: u64,
    /// How many statements of our own are left out: those that ask questions like this one.
    pub left_out: u64,
    /// Whether this role sees the texts of other roles' statements.
    pub sees_all: bool,
}

/// A statement, as all calls of it that only differ in constants.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Statement {
    /// The server's number for it, which is in its log too; `None` if it is hidden.
    pub id: Option<i64>,
    /// The role that calls it.
    pub user: String,
    /// How often it was called.
    pub calls: u64,
    /// The time of all calls together.
    pub total: Duration,
    /// The mean time of a call.
    pub mean: Duration,
    /// The time of the slowest call.
    pub longest: Duration,
    /// Its part of the time of all statements of this database, from 0 to 1.
    pub share: f64,
    /// The rows that it gave or changed, in all calls together.
    pub rows: u64,
    /// The part of its blocks that were found in the server's memory, from 0 to 1; `None` if it read none.
    pub hits: Option<f64>,
    /// What it read that was not in the server's memory, in bytes.
    pub read_bytes: u64,
    /// What it had to write itself, in bytes; most is written later, for all statements together.
    pub written_bytes: u64,
    /// What it wrote to temporary files and read from them, in bytes.
    pub temp_bytes: u64,
    /// The time of all that; nothing where the server does not measure it (`track_io_timing`).
    pub io_time: Duration,
    /// Its text with `$1` for constants, at most 2,000 characters; `None` if it may hold a password.
    pub query: Option<String>,
}

impl TopStatements {
    /// Reads the answer to a question of [`Collecting::top`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut top = TopStatements::default();
        for row in rows(answer).filter(|row| row.has("total_seconds")) {
            top.collected_for = seconds(row, "collected_seconds")?;
            top.forgotten = row.number("forgotten")?.unwrap_or_default();
            top.left_out = row.number("left_out")?.unwrap_or_default();
            top.sees_all = row.flag("sees_all")?;
            // Without any statement there is one row with what is known beside them.
            if row.text("calls")?.is_some() {
                top.statements.push(Statement::read(row)?);
            }
        }
        Ok(top)
    }
}

impl Statement {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        let count = |column| row.number::<u64>(column).map(Option::unwrap_or_default);
        let time = |column| seconds(row, column).map(Option::unwrap_or_default);
        let (hit, read) = (row.number::<f64>("blocks_hit")?, row.number::<f64>("blocks_read")?);
        let (hit, read) = (hit.unwrap_or_default(), read.unwrap_or_default());
        Ok(Statement {
            id: row.number("queryid")?,
            user: row.text("user_name")?.unwrap_or_default().to_owned(),
            calls: count("calls")?,
            total: time("total_seconds")?,
            mean: time("mean_seconds")?,
            longest: time("max_seconds")?,
            share: row.number("share")?.unwrap_or_default(),
            rows: count("row_count")?,
            read_bytes: count("read_bytes")?,
            written_bytes: count("written_bytes")?,
            temp_bytes: count("temp_bytes")?,
            io_time: time("io_seconds")?,
            hits: (hit + read > 0.0).then(|| hit / (hit + read)),
            query: row.text("query")?.map(str::to_owned),
        })
    }
}

fn seconds(row: Row<'_>, column: &'static str) -> Result<Option<Duration>, Unreadable> {
    let age: Option<f64> = row.number(column)?;
    Ok(age.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

impl fmt::Display for Statement {
    /// `41.2 % (12.345 s in 1200 calls, mean 10.288 ms, longest 480.100 ms): SELECT .. WHERE id = $1`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        write!(
            f,
            "{:.1} % ({:.3} s in {} calls, mean {:.3} ms, longest {:.3} ms): ",
            self.share * 100.0,
            self.total.as_secs_f64(),
            self.calls,
            millis(self.mean),
            millis(self.longest),
        )?;
        let Some(query) = &self.query else {
            return f.write_str("(a statement with a password)");
        };
        for (number, word) in query.split_whitespace().enumerate() {
            write!(f, "{}{word}", if number == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Display for TopStatements {
    /// One line a statement, and before them since when and what is missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = self.collected_for {
            writeln!(f, "collected for {} s", span.as_secs())?;
        }
        if !self.sees_all {
            writeln!(
                f,
                "the texts of other roles' statements are hidden: GRANT pg_read_all_stats to this role"
            )?;
        }
        if self.forgotten > 0 {
            writeln!(
                f,
                "statements were forgotten {} times for want of room: see pg_stat_statements.max",
                self.forgotten
            )?;
        }
        if self.statements.is_empty() {
            writeln!(f, "no statement was called often enough yet")?;
        }
        self.statements.iter().try_for_each(|statement| writeln!(f, "{statement}"))
    }
}
