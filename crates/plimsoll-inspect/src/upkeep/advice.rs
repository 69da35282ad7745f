//! Options of a table that fit what is done with it.
//!
//! The server's settings are made for small tables: a fifth of a table of 200 million rows is 40 million dead rows. Each advice is
//! one `ALTER TABLE`, with the one that brings back what was there before. It takes a `SHARE UPDATE EXCLUSIVE` lock, which lets
//! reading and writing go on, waits for a vacuum or an index build of the table, and has an autovacuum of it step aside.
//!
//! TOAST tables get none: they take the options of their table, and lose all of those with the first one of their own.

use crate::autovacuum::{Candidate, Kind};
use serde::Serialize;

/// From where on a table gets advice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Autovacuum ought to come before there are more dead rows than this.
    pub dead: f32,
    /// It ought to come before more rows than this were inserted.
    pub inserted: f32,
    /// It ought to analyze before more rows than this were changed.
    pub modified: f32,
    /// A table in which so many rows were updated or deleted since the counters began, and as many as it has, is hot.
    pub hot: f32,
    /// A hot table of more pages than this is vacuumed with a higher cost limit.
    pub large_pages: f32,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { dead: 1e7, inserted: 1e8, modified: 1e7, hot: 1e5, large_pages: 131_072.0 }
    }
}

/// The share of a hot table that may be dead, and of any that may have changed, before autovacuum comes.
const SHARE: f32 = 0.02;

/// The cost limit for hot tables: five times PostgreSQL's own.
const COST_LIMIT: f32 = 1_000.0;

/// What a table had better have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The table.
    pub table: String,
    /// Why, one sentence each, without full stops.
    pub why: Vec<String>,
    /// The statement.
    pub run: String,
    /// What brings back what was there before.
    pub undo: String,
}

/// What this table had better have; `None` if what it has is right.
#[must_use]
pub fn advice(table: &Candidate, bounds: &Bounds) -> Option<Advice> {
    if table.kind != Kind::Table || table.of_system {
        return None;
    }
    let mut change = Change { table, why: Vec::new(), set: Vec::new(), reset: Vec::new() };
    change.switched_off();
    change.dead(bounds);
    change.inserted(bounds);
    change.analyzed(bounds);
    change.finish()
}

/// Whether its statistics want renewing now, and why. Autovacuum sees to most tables by itself; after a bulk change it may be
/// minutes late, and at a partitioned table it never looks.
#[must_use]
pub fn needs_analyze(table: &Candidate) -> Option<String> {
    let limit = table.limits.modified(table.rows);
    let off = if table.limits.enabled { "" } else { "; autovacuum is off for it" };
    match table.kind {
        Kind::Toast => None,
        Kind::Partitioned if table.rows < 0.0 && table.part_rows > 0.0 => Some(format!(
            "never analyzed as a whole; its partitions have about {:.0} rows, and autovacuum analyzes only those",
            table.part_rows
        )),
        Kind::Partitioned => None,
        Kind::Table if table.of_system => None,
        Kind::Table if table.rows < 0.0 && (table.modified > 0.0 || table.bytes.unwrap_or_default() > 0) => {
            Some(format!("never vacuumed or analyzed; {:.0} rows changed{off}", table.modified))
        }
        Kind::Table if table.modified > limit => Some(format!(
            "{:.0} rows changed since the last analyze, where the limit is {limit:.0}{off}",
            table.modified
        )),
        Kind::Table => None,
    }
}

/// The two options of a limit: a fixed number of rows, and a share of the table.
#[derive(Clone, Copy)]
struct Pair {
    threshold: &'static str,
    share: &'static str,
    /// PostgreSQL's own fixed number.
    usual: f32,
}

const VACUUM: Pair =
    Pair { threshold: "autovacuum_vacuum_threshold", share: "autovacuum_vacuum_scale_factor", usual: 50.0 };

const INSERT: Pair = Pair {
    threshold: "autovacuum_vacuum_insert_threshold",
    share: "autovacuum_vacuum_insert_scale_factor",
    usual: 1_000.0,
};

const ANALYZE: Pair =
    Pair { threshold: "autovacuum_analyze_threshold", share: "autovacuum_analyze_scale_factor", usual: 50.0 };

struct Change<'a> {
    table: &'a Candidate,
    why: Vec<String>,
    set: Vec<(&'static str, String)>,
    reset: Vec<&'static str>,
}

impl Change<'_> {
    fn switched_off(&mut self) {
        const OPTION: &str = "autovacuum_enabled";
        if self.table.options.is_on(OPTION) == Some(false) {
            self.why.push("autovacuum is switched off for it: nothing removes its dead rows".to_owned());
            self.reset.push(OPTION);
        }
    }

    fn dead(&mut self, bounds: &Bounds) {
        let table = self.table;
        let (limits, rows) = (&table.limits, table.rows.max(1.0));
        let limit = limits.dead(table.rows);
        let is_hot = table.rewritten >= bounds.hot && table.rewritten >= rows;
        // A small table is vacuumed in a moment, and its limit is mostly the fixed part.
        let is_large = rows >= bounds.hot && limit > rows * SHARE * 2.0;
        let waits_for_much = limits.vacuum_scale_factor > SHARE * 2.0;
        if limit > bounds.dead || is_hot && is_large && waits_for_much {
            self.why.push(match is_hot {
                true => format!(
                    "{:.0} rows were updated or deleted, {rows:.0} are there, and autovacuum comes after {limit:.0} dead ones",
                    table.rewritten
                ),
                false => format!("autovacuum comes after {limit:.0} dead rows"),
            });
            self.lower(VACUUM, bounds.dead, limits.vacuum_threshold, limits.vacuum_scale_factor);
        }
        if is_hot && table.pages > bounds.large_pages && table.cost_limit < COST_LIMIT {
            self.why.push(format!(
                "a vacuum of its {:.0} pages sleeps after each {:.0} of cost, which is slow for what is done with it",
                table.pages, table.cost_limit
            ));
            self.set.push(("autovacuum_vacuum_cost_limit", COST_LIMIT.to_string()));
        }
    }

    fn inserted(&mut self, bounds: &Bounds) {
        let table = self.table;
        match table.inserted_limit() {
            None if table.options.text(INSERT.threshold).is_some() => {
                self.why.push(
                    "inserts alone never bring a vacuum: index-only scans read the table, and all of it is frozen at once".to_owned(),
                );
                self.reset.push(INSERT.threshold);
            }
            Some(limit) if limit > bounds.inserted => {
                self.why.push(format!("autovacuum comes after {limit:.0} inserted rows"));
                let threshold = table.limits.vacuum_insert_threshold.unwrap_or_default();
                self.lower(INSERT, bounds.inserted, threshold, table.limits.vacuum_insert_scale_factor);
            }
            None | Some(_) => {}
        }
    }

    fn analyzed(&mut self, bounds: &Bounds) {
        let limits = &self.table.limits;
        let limit = limits.modified(self.table.rows);
        if limit > bounds.modified {
            self.why.push(format!("autovacuum analyzes after {limit:.0} changed rows"));
            self.lower(ANALYZE, bounds.modified, limits.analyze_threshold, limits.analyze_scale_factor);
        }
    }

    /// Sets the fixed part to PostgreSQL's own where it is too high by itself, and a share that leaves at most this many rows and is
    /// no higher than now.
    fn lower(&mut self, pair: Pair, most: f32, threshold: f32, share: f32) {
        let mut threshold = threshold;
        if threshold > most / 2.0 {
            threshold = pair.usual.min(most / 2.0).floor();
            self.set.push((pair.threshold, format!("{threshold:.0}")));
        }
        let room = (most - threshold).max(0.0) / self.table.rows.max(1.0);
        let wanted = f64::from(room.min(SHARE).min(share)).max(0.0);
        // Rounded down, to two digits that count.
        let step = 10_f64.powf(wanted.max(1e-6).log10().floor() - 1.0);
        let text = format!("{:.8}", (wanted / step + 1e-6).floor() * step);
        self.set.push((pair.share, text.trim_end_matches('0').trim_end_matches('.').to_owned()));
    }

    fn finish(self) -> Option<Advice> {
        let table = self.table.table();
        if self.why.is_empty() {
            return None;
        }
        let mut run = Vec::new();
        if !self.set.is_empty() {
            let set: Vec<String> = self.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            run.push(format!("SET ({})", set.join(", ")));
        }
        if !self.reset.is_empty() {
            run.push(format!("RESET ({})", self.reset.join(", ")));
        }
        let all = self.set.iter().map(|(name, _)| *name).chain(self.reset.iter().copied());
        let (mut before, mut none) = (Vec::new(), Vec::new());
        for name in all {
            match self.table.options.text(name) {
                Some(value) => before.push(format!("{name} = {value}")),
                None => none.push(name),
            }
        }
        let mut undo = Vec::new();
        if !before.is_empty() {
            undo.push(format!("SET ({})", before.join(", ")));
        }
        if !none.is_empty() {
            undo.push(format!("RESET ({})", none.join(", ")));
        }
        Some(Advice {
            table: table.to_owned(),
            why: self.why,
            run: format!("ALTER TABLE {table} {}", run.join(", ")),
            undo: format!("ALTER TABLE {table} {}", undo.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autovacuum::{Limits, Options};
    use proptest::prelude::*;

    fn table(options: &str, rows: f32) -> Candidate {
        let options = Options::read(options);
        Candidate {
            name: "public.orders".to_owned(),
            kind: Kind::Table,
            owner: None,
            of_system: false,
            rows,
            pages: rows / 50.0,
            frozen_pages: 0.0,
            dead: 0.0,
            inserted: 0.0,
            modified: 0.0,
            xid_age: 0.0,
            mxid_age: 0.0,
            vacuumed: None,
            analyzed: None,
            autovacuumed: None,
            autoanalyzed: None,
            rewritten: 0.0,
            cost_limit: options
                .text("autovacuum_vacuum_cost_limit")
                .map_or(200.0, |it| it.parse().unwrap_or_default()),
            bytes: None,
            part_rows: 0.0,
            limits: Limits::of(&Options::default(), &options),
            options,
            reset: None,
            up: None,
            naptime: None,
            considered: 1,
        }
    }

    fn told(options: &str, rows: f32, rewritten: f32) -> Option<String> {
        advice(&Candidate { rewritten, ..table(options, rows) }, &Bounds::default()).map(|advice| advice.run)
    }

    #[test]
    fn large_and_hot_tables_get_lower_limits_and_small_and_quiet_ones_none() {
        assert_eq!(told("", 1e6, 0.0), None, "nothing changes in it");
        assert_eq!(told("", 9e4, 1e9), None, "it is small");
        let hot = "ALTER TABLE public.orders SET (autovacuum_vacuum_scale_factor = 0.02)";
        assert_eq!(told("", 1e6, 1e6).as_deref(), Some(hot));
        assert_eq!(told("autovacuum_vacuum_scale_factor=0.04", 1e6, 1e6), None, "it has been seen to");
        let large_and_hot = "ALTER TABLE public.orders SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 1000)";
        assert_eq!(told("", 2e7, 1e8).as_deref(), Some(large_and_hot));
        let huge = told("", 1e9, 0.0).unwrap_or_default();
        for option in [
            "vacuum_scale_factor = 0.0099",
            "vacuum_insert_scale_factor = 0.02",
            "analyze_scale_factor = 0.0099",
        ] {
            assert!(huge.contains(option), "{huge}");
        }
    }

    /// The options after an `ALTER TABLE`.
    fn after(options: &str, statement: &str) -> String {
        let mut all: Vec<(String, String)> = Vec::new();
        let pairs = options.split(',').filter_map(|pair| pair.split_once('='));
        all.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let of = |word: &str| {
            let rest = statement.split(word).nth(1).and_then(|rest| rest.split(')').next());
            rest.unwrap_or_default().to_owned()
        };
        let (set, reset) = (of(" SET ("), of(" RESET ("));
        let changed = set
            .split(", ")
            .filter_map(|pair| pair.split_once(" = "))
            .map(|(name, value)| (name, Some(value)));
        for (name, value) in changed.chain(reset.split(", ").map(|name| (name, None))) {
            all.retain(|(known, _)| known != name);
            all.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        all.sort();
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }

    proptest! {
        /// Whatever the table is: with what is advised there is no more to advise, and the undo brings back what was there.
        #[test]
        fn what_is_advised_is_enough_and_can_be_undone(
            (rows, rewritten) in (1_f32..1e11, 0_f32..1e12),
            own in proptest::collection::btree_map(
                proptest::sample::select(vec![
                    "autovacuum_vacuum_scale_factor", "autovacuum_vacuum_insert_scale_factor", "autovacuum_analyze_scale_factor",
                ]), 0_f32..1.0, 0..3),
            thresholds in proptest::collection::btree_map(
                proptest::sample::select(vec![
                    "autovacuum_vacuum_threshold", "autovacuum_vacuum_insert_threshold", "autovacuum_analyze_threshold",
                ]), 0_u32..2_000_000_000, 0..3),
            off in any::<bool>(),
        ) {
            let own = own.iter().map(|(name, value)| format!("{name}={value}"));
            let thresholds = thresholds.iter().map(|(name, value)| format!("{name}={value}"));
            let mut options: Vec<String> = own.chain(thresholds).collect();
            options.extend(off.then(|| "autovacuum_enabled=off".to_owned()));
            options.sort();
            let options = options.join(",");
            let advised = |options: &str| {
                advice(&Candidate { rewritten, ..table(options, rows) }, &Bounds::default())
            };
            if let Some(first) = advised(&options) {
                let with = after(&options, &first.run);
                prop_assert_eq!(advised(&with), None, "{} then {}", options, first.run);
                prop_assert_eq!(after(&with, &first.undo), options);
            }
        }
    }
}
