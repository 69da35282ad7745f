//! When autovacuum takes a table, by PostgreSQL's own formula.
//!
//! PostgreSQL decides once a minute (`autovacuum_naptime`), table by table (`relation_needs_vacanalyze` in its source):
//!
//! ```text
//! vacuum    dead rows                > vacuum_threshold  + vacuum_scale_factor  × rows, since 18 at most vacuum_max_threshold
//!        or rows inserted since      > insert_threshold  + insert_scale_factor  × rows, since 18 × the part not frozen yet
//!        or age of the oldest row    > freeze_max_age    (this one also where autovacuum is off)
//! analyze   rows changed since       > analyze_threshold + analyze_scale_factor × rows
//! ```
//!
//! A table's own options are stronger than the server's settings, and a TOAST table that has none takes those of its table.
//! [`Limits`] is that formula; [`AUTOVACUUM`] asks for what it takes, and [`Candidate::read`] reads the answer. The counters are
//! the server's: after a crash, before PostgreSQL 18 after an upgrade too, they begin at nothing, and autovacuum knows no better.

use crate::answer::{Row, Unreadable, rows};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the thousand tables that are nearest to their turn. The answer is read by [`Candidate::read`].
pub const AUTOVACUUM: &str = include_str!("sql/autovacuum.sql");

/// Autovacuum that rests for longer between two looks at a database, in seconds, is late for its tables.
pub const LONG_NAP: u32 = 600;

/// Settings or options, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `a=1,b=off`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Options(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The text of one, as it was set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether one is on. PostgreSQL takes `on`, `true`, `yes`, `1`, and what begins like one of them.
    #[must_use]
    pub fn is_on(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?.to_ascii_lowercase();
        match text.as_str() {
            "1" | "on" => Some(true),
            "0" | "of" | "off" => Some(false),
            "" => None,
            other if "true".starts_with(other) || "yes".starts_with(other) => Some(true),
            other if "false".starts_with(other) || "no".starts_with(other) => Some(false),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<f32> {
        self.text(name)?.parse().ok()
    }
}

/// What autovacuum holds a table against. In single precision, as PostgreSQL reckons.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are PostgreSQL's own names, without their autovacuum_")]
pub struct Limits {
    /// Off for the server (`autovacuum`, `track_counts`) or for this table (`autovacuum_enabled`).
    pub enabled: bool,
    pub vacuum_threshold: f32,
    pub vacuum_scale_factor: f32,
    /// `None` before PostgreSQL 18, and where it is -1.
    pub vacuum_max_threshold: Option<f32>,
    /// `None` where it is -1: inserts alone never bring a vacuum.
    pub vacuum_insert_threshold: Option<f32>,
    pub vacuum_insert_scale_factor: f32,
    pub analyze_threshold: f32,
    pub analyze_scale_factor: f32,
    pub freeze_max_age: f32,
    pub multixact_freeze_max_age: f32,
    /// Since PostgreSQL 18 what is frozen does not count for inserts.
    pub frozen_counts: bool,
}

impl Limits {
    /// Those of a table with these options on a server with these settings.
    #[must_use]
    pub fn of(settings: &Options, options: &Options) -> Self {
        let one = |name: &str, otherwise: f32| {
            let name = format!("autovacuum_{name}");
            options.number(&name).or_else(|| settings.number(&name)).unwrap_or(otherwise)
        };
        let age = |name: &str, otherwise: f32| {
            let name = format!("autovacuum_{name}");
            let server = settings.number(&name).unwrap_or(otherwise);
            options.number(&name).map_or(server, |own| own.min(server))
        };
        let unless_off = |value: f32| (value >= 0.0).then_some(value);
        let off = |options: &Options, name: &str| options.is_on(name) == Some(false);
        Limits {
            enabled: !off(settings, "autovacuum")
                && !off(settings, "track_counts")
                && !off(options, "autovacuum_enabled"),
            vacuum_threshold: one("vacuum_threshold", 50.0),
            vacuum_scale_factor: one("vacuum_scale_factor", 0.2),
            vacuum_max_threshold: unless_off(one("vacuum_max_threshold", -1.0)),
            vacuum_insert_threshold: unless_off(one("vacuum_insert_threshold", 1_000.0)),
            vacuum_insert_scale_factor: one("vacuum_insert_scale_factor", 0.2),
            analyze_threshold: one("analyze_threshold", 50.0),
            analyze_scale_factor: one("analyze_scale_factor", 0.1),
            freeze_max_age: age("freeze_max_age", 2e8),
            multixact_freeze_max_age: age("multixact_freeze_max_age", 4e8),
            frozen_counts: settings.text("autovacuum_vacuum_max_threshold").is_some(),
        }
    }

    /// More dead rows than this bring a vacuum.
    #[must_use]
    pub fn dead(&self, rows: f32) -> f32 {
        let limit = self.vacuum_threshold + self.vacuum_scale_factor * rows.max(0.0);
        self.vacuum_max_threshold.map_or(limit, |most| limit.min(most))
    }

    /// More rows inserted since the last vacuum than this bring one; `None` if none ever does.
    #[must_use]
    pub fn inserted(&self, rows: f32, pages: f32, frozen_pages: f32) -> Option<f32> {
        let part = match self.frozen_counts && pages > 0.0 && frozen_pages > 0.0 {
            true => 1.0 - frozen_pages.min(pages) / pages,
            false => 1.0,
        };
        Some(self.vacuum_insert_threshold? + self.vacuum_insert_scale_factor * rows.max(0.0) * part)
    }

    /// More rows changed since the last analyze than this bring one.
    #[must_use]
    pub fn modified(&self, rows: f32) -> f32 {
        self.analyze_threshold + self.analyze_scale_factor * rows.max(0.0)
    }
}

/// What a relation is, by what autovacuum does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table or a materialized view.
    Table,
    /// The TOAST table of one, which is never analyzed.
    Toast,
    /// A partitioned table: autovacuum takes its partitions and never analyzes it itself.
    Partitioned,
}

/// A table with what autovacuum decides by.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Schema and name, quoted where they must be.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The table that a TOAST table belongs to.
    pub owner: Option<String>,
    /// It belongs to PostgreSQL.
    pub of_system: bool,
    /// As the catalog has it, -1 if it was never vacuumed or analyzed.
    pub rows: f32,
    /// Of 8 kB, as of the last vacuum or analyze.
    pub pages: f32,
    /// How many of them are frozen; 0 before PostgreSQL 18.
    pub frozen_pages: f32,
    /// Dead rows.
    pub dead: f32,
    /// Rows inserted since the last vacuum.
    pub inserted: f32,
    /// Rows changed since the last analyze.
    pub modified: f32,
    /// How many transactions ago its oldest row may have been written.
    pub xid_age: f32,
    /// The same in multixacts.
    pub mxid_age: f32,
    /// How long ago the last vacuum was, by hand or by autovacuum, as far as the counters know.
    pub vacuumed: Option<Duration>,
    /// The same of the last analyze.
    pub analyzed: Option<Duration>,
    /// How long ago autovacuum vacuumed it last.
    pub autovacuumed: Option<Duration>,
    /// How long ago autovacuum analyzed it last.
    pub autoanalyzed: Option<Duration>,
    /// Rows updated and deleted since the counters began.
    pub rewritten: f32,
    /// How much a vacuum of it by autovacuum may do before it sleeps: its own option, or the server's setting, which all workers
    /// share.
    pub cost_limit: f32,
    /// The size of its file, only where the catalog has none.
    pub bytes: Option<u64>,
    /// Of a partitioned table: the rows of its partitions.
    pub part_rows: f32,
    /// Its own options.
    pub options: Options,
    /// What it is held against.
    pub limits: Limits,
    /// How long ago the counters of the database were reset, if ever.
    pub reset: Option<Duration>,
    /// How long ago the server was started.
    pub up: Option<Duration>,
    /// How long autovacuum rests between two looks at the database.
    pub naptime: Option<Duration>,
    /// How many tables have anything to tell; no more than a thousand of them are told.
    pub considered: u64,
}

/// What autovacuum would do with a table now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Vacuum it.
    pub vacuum: bool,
    /// Analyze it.
    pub analyze: bool,
}

impl Candidate {
    /// Reads the answer to [`AUTOVACUUM`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Vec<Self>, Unreadable> {
        rows(answer).filter(|row| row.has("autovacuum_kind")).map(Candidate::of).collect()
    }

    pub(crate) fn of(row: Row<'_>) -> Result<Self, Unreadable> {
        let number = |column| row.number::<f32>(column).map(Option::unwrap_or_default);
        let ago = |column| {
            let seconds: Option<f64> = row.number(column)?;
            Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
        };
        let options = Options::read(row.text("options")?.unwrap_or_default());
        let settings = Options::read(row.text("settings")?.unwrap_or_default());
        let naptime =
            settings.number("autovacuum_naptime").map(|seconds| Duration::from_secs_f32(seconds.max(0.0)));
        let kind = match row.text("autovacuum_kind")? {
            Some("t") => Kind::Toast,
            Some("p") => Kind::Partitioned,
            _ => Kind::Table,
        };
        Ok(Candidate {
            name: row.text("name")?.unwrap_or_default().to_owned(),
            kind,
            owner: row.text("owner")?.filter(|_| kind == Kind::Toast).map(str::to_owned),
            of_system: row.flag("of_system")?,
            rows: number("reltuples")?,
            pages: number("relpages")?,
            frozen_pages: number("frozen_pages")?,
            dead: number("dead")?,
            inserted: number("inserted")?,
            modified: number("modified")?,
            xid_age: number("xid_age")?,
            mxid_age: number("mxid_age")?,
            vacuumed: ago("vacuum_seconds")?,
            analyzed: ago("analyze_seconds")?,
            autovacuumed: ago("autovacuum_seconds")?,
            autoanalyzed: ago("autoanalyze_seconds")?,
            rewritten: number("rewritten")?,
            cost_limit: cost_limit(&settings, &options),
            bytes: row.number("bytes")?,
            part_rows: number("part_rows")?,
            limits: Limits::of(&settings, &options),
            options,
            reset: ago("reset_seconds")?,
            up: ago("up_seconds")?,
            naptime,
            considered: row.number("considered")?.unwrap_or_default(),
        })
    }

    /// What autovacuum would do with it now.
    #[must_use]
    pub fn due(&self) -> Due {
        if self.kind == Kind::Partitioned {
            return Due::default();
        }
        let limits = &self.limits;
        let forced = self.xid_age > limits.freeze_max_age || self.mxid_age > limits.multixact_freeze_max_age;
        let by_dead = self.dead > limits.dead(self.rows);
        let by_inserted = self.inserted_limit().is_some_and(|limit| self.inserted > limit);
        Due {
            vacuum: forced || limits.enabled && (by_dead || by_inserted),
            analyze: limits.enabled && self.kind == Kind::Table && self.modified > limits.modified(self.rows),
        }
    }

    /// More rows inserted than this bring a vacuum of this table.
    #[must_use]
    pub fn inserted_limit(&self) -> Option<f32> {
        self.limits.inserted(self.rows, self.pages, self.frozen_pages)
    }

    /// The table to name in a statement: a TOAST table is vacuumed with its owner, and has its options there.
    #[must_use]
    pub fn table(&self) -> &str {
        self.owner.as_deref().unwrap_or(&self.name)
    }
}

/// -1 in the option or in autovacuum's own setting means the next one.
fn cost_limit(settings: &Options, options: &Options) -> f32 {
    const OWN: &str = "autovacuum_vacuum_cost_limit";
    let known = [options.number(OWN), settings.number(OWN), settings.number("vacuum_cost_limit")];
    known.into_iter().flatten().find(|limit| *limit > 0.0).unwrap_or(200.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_held_against_its_own_options_first() {
        let settings = Options::read("autovacuum=on,track_counts=on,autovacuum_vacuum_scale_factor=0.2");
        let plain = Limits::of(&settings, &Options::default());
        assert_eq!((plain.dead(1_000.0), plain.dead(-1.0)), (250.0, 50.0));
        assert_eq!(
            plain.inserted(1_000.0, 10.0, 9.0),
            Some(1_200.0),
            "before 18 nothing is told of what is frozen"
        );
        assert_eq!(plain.modified(1_000.0), 150.0);
        let own = Options::read(
            "autovacuum_vacuum_scale_factor=0,autovacuum_vacuum_threshold=10,autovacuum_vacuum_insert_threshold=-1",
        );
        let own = Limits::of(&settings, &own);
        assert_eq!((own.dead(1e9), own.inserted(1e9, 0.0, 0.0)), (10.0, None));
        assert!(own.enabled && plain.enabled);
        for off in ["autovacuum_enabled=off", "autovacuum_enabled=f", "autovacuum_enabled=No"] {
            assert!(!Limits::of(&settings, &Options::read(off)).enabled, "{off}");
        }
        assert!(
            !Limits::of(&Options::read("autovacuum=off"), &Options::read("autovacuum_enabled=on")).enabled
        );
    }

    #[test]
    fn since_18_there_is_a_ceiling_and_what_is_frozen_does_not_count() {
        let settings =
            Options::read("autovacuum_vacuum_max_threshold=100000000,autovacuum_freeze_max_age=200000000");
        let limits = Limits::of(&settings, &Options::read("autovacuum_freeze_max_age=300000000"));
        assert_eq!(limits.dead(1e9), 1e8);
        assert_eq!(limits.inserted(1_000.0, 10.0, 5.0), Some(1_100.0));
        assert_eq!(limits.inserted(1_000.0, 10.0, 50.0), Some(1_000.0), "no more than all can be frozen");
        assert_eq!(limits.freeze_max_age, 2e8, "a table can only ask for less");
        let off = Options::read("autovacuum_vacuum_max_threshold=-1");
        assert!(Limits::of(&settings, &off).dead(1e9) > 1e8);
    }
}
