//! What the counters of statements were at several times, and what was done between them.
//!
//! The counters of `pg_stat_statements` begin anew when somebody resets them and when the server crashes; those of one statement
//! also when there was no room for it and it came back. So two looks cannot simply be subtracted. [`Growth`] goes from look to
//! look: where a counter went on, it adds what was added; where it began anew, it adds what is there since then, and counts that
//! something was lost. What it says is never more than what was done, never negative, and exact where nothing began anew.

use super::Order;
use crate::answer::{Row, Unreadable, rows};
use crate::mark::MARK;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio_postgres::SimpleQueryMessage;

/// The most statements that are kept of one look: those that took the most time.
pub const MOST: u32 = 5_000;

/// A time that was written to a file and read again may be larger than it was by so large a part of it.
const ROUNDED: f64 = 1e-9;

/// The counters at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the form in which it is kept.
    pub schema_version: u32,
    /// When, by the server's clock, in UTC.
    pub at: String,
    /// The same, in seconds since 1970.
    pub at_seconds: f64,
    /// The server's own number for itself; a standby has counters of its own.
    pub server: String,
    /// The database.
    pub database: String,
    /// Since when the counters count.
    pub since: String,
    /// How often statements were forgotten since then, for want of room.
    pub forgotten: u64,
    /// How many statements this role may not see.
    pub hidden: u64,
    /// All statements that this role sees are here.
    pub is_whole: bool,
    /// The statements.
    pub statements: Vec<Entry>,
}

/// The counters of one statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
    /// Its text, at most 500 characters; `None` if it may hold a password.
    pub query: Option<String>,
    /// Since when it is counted; only PostgreSQL 17 and later tell.
    pub since: Option<String>,
    /// What it took.
    #[serde(flatten)]
    pub work: Work,
}

/// What a statement is found again by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The server's number for it.
    pub id: i64,
    /// The role that calls it.
    pub user: String,
    /// It is called by itself and not by a function.
    pub is_top: bool,
}

/// What calls took, together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// How many calls.
    pub calls: u64,
    /// Their time, in milliseconds.
    pub total_ms: f64,
    /// The rows that they gave or changed.
    pub rows: u64,
    /// What they read that was not in the server's memory.
    pub read_bytes: u64,
    /// What they had to write themselves.
    pub written_bytes: u64,
    /// What they wrote to temporary files and read from them.
    pub temp_bytes: u64,
}

impl Work {
    /// What was added since then; `None` if any counter is lower than it was.
    fn since(&self, then: &Work) -> Option<Work> {
        Some(Work {
            calls: self.calls.checked_sub(then.calls)?,
            total_ms: Some(self.total_ms - then.total_ms)
                .filter(|added| *added >= -ROUNDED * then.total_ms)
                .map(|added| added.max(0.0))?,
            rows: self.rows.checked_sub(then.rows)?,
            read_bytes: self.read_bytes.checked_sub(then.read_bytes)?,
            written_bytes: self.written_bytes.checked_sub(then.written_bytes)?,
            temp_bytes: self.temp_bytes.checked_sub(then.temp_bytes)?,
        })
    }

    fn add(&mut self, more: &Work) {
        self.calls += more.calls;
        self.total_ms += more.total_ms;
        self.rows += more.rows;
        self.read_bytes += more.read_bytes;
        self.written_bytes += more.written_bytes;
        self.temp_bytes += more.temp_bytes;
    }

    /// The mean time of a call, in milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 }
    }

    #[expect(clippy::cast_precision_loss, reason = "an order")]
    fn place(&self, order: Order) -> f64 {
        match order {
            Order::Total => self.total_ms,
            Order::Mean => self.mean_ms(),
            Order::Io => (self.read_bytes + self.written_bytes) as f64,
            Order::Temp => self.temp_bytes as f64,
        }
    }
}

impl Snapshot {
    /// Reads the answer to [`Collecting::snapshot`](super::Collecting::snapshot).
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut snapshot = Snapshot { schema_version: 1, ..Snapshot::default() };
        for row in rows(answer).filter(|row| row.has("taken_seconds")) {
            let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
            snapshot.at = text("taken")?;
            snapshot.at_seconds = row.number("taken_seconds")?.unwrap_or_default();
            snapshot.server = text("server")?;
            snapshot.database = text("database_name")?;
            snapshot.since = text("since")?;
            snapshot.forgotten = row.number("forgotten")?.unwrap_or_default();
            snapshot.hidden = row.number("hidden")?.unwrap_or_default();
            snapshot.is_whole = row.flag("is_whole")?;
            // Without any statement there is one row with what is known beside them.
            if let Some(id) = row.number("queryid")? {
                snapshot.statements.push(Entry::read(row, id)?);
            }
        }
        Ok(snapshot)
    }
}

impl Entry {
    fn read(row: Row<'_>, id: i64) -> Result<Self, Unreadable> {
        let count = |column| row.number::<u64>(column).map(Option::unwrap_or_default);
        let user = row.text("user_name")?.unwrap_or_default().to_owned();
        Ok(Entry {
            key: Key { id, user, is_top: row.flag("toplevel")? },
            query: row.text("query")?.map(str::to_owned),
            since: row.text("statement_since")?.map(str::to_owned),
            work: Work {
                calls: count("calls")?,
                total_ms: row.number("total_ms")?.unwrap_or_default(),
                rows: count("row_count")?,
                read_bytes: count("read_bytes")?,
                written_bytes: count("written_bytes")?,
                temp_bytes: count("temp_bytes")?,
            },
        })
    }
}

/// Whether it is a question of our own.
fn is_ours(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.contains(MARK))
}

/// What was done from a first look to the last.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// The time of the first look.
    pub from: String,
    /// The time of the last look.
    pub to: String,
    /// The time between them, in seconds.
    pub seconds: f64,
    /// How many looks.
    pub looks: u64,
    /// How often all counters began anew: what was done between the look before and the reset is lost.
    pub resets: u64,
    /// How often statements were forgotten for want of room. What they did since the look before is lost.
    pub forgotten: u64,
    /// How often one statement began anew, or was gone.
    pub begun_anew: u64,
    /// How many were not counted, since the look before had no room for them.
    pub uncounted: u64,
    #[serde(skip)]
    last: Snapshot,
    #[serde(skip)]
    work: BTreeMap<Key, (Option<String>, Work)>,
}

/// What one statement did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grown {
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
    /// Its text.
    pub query: Option<String>,
    /// Its part of the time of all statements, from 0 to 1.
    pub share: f64,
    /// What it took.
    #[serde(flatten)]
    pub work: Work,
}

impl Growth {
    /// Begins with this look.
    #[must_use]
    pub fn from(first: Snapshot) -> Self {
        Growth {
            from: first.at.clone(),
            to: first.at.clone(),
            seconds: 0.0,
            looks: 1,
            resets: 0,
            forgotten: 0,
            begun_anew: 0,
            uncounted: 0,
            last: first,
            work: BTreeMap::new(),
        }
    }

    /// Goes on to the next look at the same database of the same server.
    pub fn step(&mut self, next: Snapshot) {
        let is_reset = next.since != self.last.since || next.forgotten < self.last.forgotten;
        self.resets += u64::from(is_reset);
        self.forgotten += if is_reset { next.forgotten } else { next.forgotten - self.last.forgotten };
        self.seconds += (next.at_seconds - self.last.at_seconds).max(0.0);
        self.looks += 1;
        self.to.clone_from(&next.at);
        let mut before: BTreeMap<&Key, &Entry> = BTreeMap::new();
        if !is_reset {
            before = self.last.statements.iter().map(|entry| (&entry.key, entry)).collect();
        }
        for entry in &next.statements {
            let then = before.remove(&entry.key);
            let added = match then {
                None if is_reset || self.last.is_whole => entry.work,
                None => {
                    self.uncounted += 1;
                    continue;
                }
                Some(then) => {
                    let goes_on = then.since == entry.since || then.since.is_none() || entry.since.is_none();
                    entry.work.since(&then.work).filter(|_| goes_on).unwrap_or_else(|| {
                        self.begun_anew += 1;
                        entry.work
                    })
                }
            };
            let (query, work) = self.work.entry(entry.key.clone()).or_default();
            query.clone_from(&entry.query);
            work.add(&added);
        }
        if next.is_whole {
            self.begun_anew += before.len() as u64;
        }
        self.last = next;
    }

    /// Something was done that is not in it.
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        self.resets + self.forgotten + self.begun_anew + self.uncounted > 0
    }

    /// How many statements of our own did anything: they are not among the top ones.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.work.values().filter(|(query, work)| is_ours(query.as_deref()) && work.calls > 0).count() as u64
    }

    /// The statements that did the most, of those that were called more than so often and are not our own.
    #[must_use]
    pub fn top(&self, order: Order, limit: usize, more_than_calls: u64) -> Vec<Grown> {
        let others = || self.work.iter().filter(|(_, (query, _))| !is_ours(query.as_deref()));
        let all: f64 = others().map(|(_, (_, work))| work.total_ms).sum();
        let mut top: Vec<Grown> = others()
            .filter(|(_, (_, work))| work.calls > more_than_calls)
            .map(|(key, (query, work))| Grown {
                key: key.clone(),
                query: query.clone(),
                share: if all > 0.0 { work.total_ms / all } else { 0.0 },
                work: *work,
            })
            .collect();
        top.sort_by(|one, other| other.work.place(order).total_cmp(&one.work.place(order)));
        top.truncate(limit);
        top
    }
}
