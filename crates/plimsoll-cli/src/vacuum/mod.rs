//! `plimsoll vacuum`: what autovacuum would do with each table and when it came last, what holds it back, how far the vacuums under
//! way have come, which options a table had better have, and what to ANALYZE after a bulk change.
//!
//! | file | what it holds |
//! |---|---|
//! | [`gather`] | asks the server |
//! | [`page`] | what was found, as a table on a page of HTML |
//! | [`screen`] | what was found, as text |

pub(crate) mod gather;
pub(crate) mod page;
mod screen;

use crate::connect::Target;
use crate::{Ended, show};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll_inspect::autovacuum::{Candidate, Kind};
use plimsoll_inspect::checks::Remedy;
use plimsoll_inspect::upkeep::{Advice, Bounds, Holder, Work, advice, needs_analyze};
use serde::Serialize;
use std::time::Duration;

/// The options of `vacuum`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Only this table, as orders or public.orders, quoted as in SQL; may be given more than once
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,

    /// How many tables, pieces of advice and holders are shown at most; --json has all
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,

    /// The tables of PostgreSQL itself too
    #[arg(long)]
    system: bool,

    /// A snapshot that is held for more transactions than this is a warning
    #[arg(long, value_name = "XIDS", default_value_t = 10_000_000)]
    held: u64,

    /// Autovacuum ought to come before there are more dead rows than this
    #[arg(long, value_name = "ROWS", default_value_t = Bounds::default().dead)]
    dead: f32,

    /// A table of which more rows than this, and as many as it has, were updated or deleted is hot
    #[arg(long, value_name = "ROWS", default_value_t = Bounds::default().hot)]
    hot: f32,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    fn bounds(&self) -> Bounds {
        Bounds { dead: self.dead, hot: self.hot, ..Bounds::default() }
    }

    fn means(&self, table: &Candidate) -> bool {
        if self.tables.is_empty() {
            return self.system || !table.of_system;
        }
        self.tables.iter().any(|name| is_called(table.table(), name))
    }
}

/// Whether a table with this qualified name is the one that is meant.
pub(crate) fn is_called(qualified: &str, name: &str) -> bool {
    qualified == name || qualified.strip_suffix(name).is_some_and(|schema| schema.ends_with('.'))
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    schema_version: u32,
    /// As the server writes it.
    version: String,
    database: String,
    /// Autovacuum is off for the whole server; `None` if that is not known.
    is_off: Option<bool>,
    /// The nearest to their turn first.
    tables: Vec<State>,
    advice: Vec<Advice>,
    analyze: Vec<Renewal>,
    /// What holds dead rows back, the oldest first.
    holders: Vec<Held>,
    /// Snapshots that are held for more transactions than this are a warning.
    held_warn: u64,
    under_way: Vec<Work>,
    /// What could not be found out, and why.
    unknown: Vec<String>,
}

/// A table, with what autovacuum decides by.
#[derive(Clone, Debug, Serialize)]
struct State {
    table: String,
    is_toast: bool,
    autovacuum_enabled: bool,
    rows: f32,
    dead: f32,
    dead_limit: f32,
    inserted: f32,
    inserted_limit: Option<f32>,
    modified: f32,
    modified_limit: f32,
    xid_age: f32,
    freeze_max_age: f32,
    vacuumed_seconds: Option<u64>,
    autovacuumed_seconds: Option<u64>,
    analyzed_seconds: Option<u64>,
    autoanalyzed_seconds: Option<u64>,
    /// What autovacuum does at its next look.
    due_vacuum: bool,
    due_analyze: bool,
    /// It is being vacuumed, rewritten or analyzed now.
    is_under_way: bool,
}

impl State {
    fn of(table: &Candidate, under_way: &[Work]) -> Self {
        let due = table.due();
        let seconds = |ago: Option<Duration>| ago.map(|ago| ago.as_secs());
        State {
            table: table.table().to_owned(),
            is_toast: table.kind == Kind::Toast,
            autovacuum_enabled: table.limits.enabled,
            rows: table.rows,
            dead: table.dead,
            dead_limit: table.limits.dead(table.rows),
            inserted: table.inserted,
            inserted_limit: table.inserted_limit(),
            modified: table.modified,
            modified_limit: table.limits.modified(table.rows),
            xid_age: table.xid_age,
            freeze_max_age: table.limits.freeze_max_age,
            vacuumed_seconds: seconds(table.vacuumed),
            autovacuumed_seconds: seconds(table.autovacuumed),
            analyzed_seconds: seconds(table.analyzed),
            autoanalyzed_seconds: seconds(table.autoanalyzed),
            due_vacuum: due.vacuum,
            due_analyze: due.analyze,
            is_under_way: under_way.iter().any(|work| work.table.as_deref() == Some(&table.name)),
        }
    }

    /// How near it is to its turn: 1 is there.
    fn pressure(&self) -> f32 {
        let analyze = if self.is_toast { 0.0 } else { self.modified / self.modified_limit.max(1.0) };
        let inserted = self.inserted_limit.map_or(0.0, |limit| self.inserted / limit.max(1.0));
        analyze.max(inserted).max(self.dead / self.dead_limit.max(1.0))
    }
}

/// A table whose statistics want renewing.
#[derive(Clone, Debug, Serialize)]
struct Renewal {
    table: String,
    why: String,
    run: String,
}

/// What holds dead rows back, with what ends it.
#[derive(Clone, Debug, Serialize)]
struct Held {
    #[serde(flatten)]
    holder: Holder,
    remedy: Remedy,
}

impl Found {
    fn ended(&self) -> Ended {
        let is_held = self.holders.iter().any(|it| it.holder.xids > self.held_warn.cast_signed());
        let wants = is_held
            || self.is_off == Some(true)
            || !self.advice.is_empty()
            || !self.analyze.is_empty()
            || self.tables.iter().any(|table| table.due_vacuum && !table.autovacuum_enabled);
        match (wants, self.unknown.is_empty()) {
            (true, _) => Ended::Warned,
            (false, false) => Ended::Unknown,
            (false, true) => Ended::Well,
        }
    }

    fn add(&mut self, candidates: &[Candidate], options: &Options) {
        let meant: Vec<&Candidate> = candidates.iter().filter(|table| options.means(table)).collect();
        let is_off = |table: &Candidate| {
            !table.limits.enabled && table.options.is_on("autovacuum_enabled") != Some(false)
        };
        self.is_off = (!candidates.is_empty()).then(|| candidates.iter().any(is_off));
        let counted = meant.iter().filter(|table| table.kind != Kind::Partitioned);
        self.tables = counted.map(|table| State::of(table, &self.under_way)).collect();
        self.tables.sort_by(|a, b| b.pressure().total_cmp(&a.pressure()).then_with(|| a.table.cmp(&b.table)));
        self.advice = meant.iter().filter_map(|table| advice(table, &options.bounds())).collect();
        let renewal = |table: &&Candidate| {
            let run = format!("ANALYZE {}", table.table());
            needs_analyze(table).map(|why| Renewal { table: table.table().to_owned(), why, run })
        };
        self.analyze = meant.iter().filter_map(renewal).collect();
    }
}

/// Asks, and prints what was found.
///
/// # Errors
/// The server cannot be reached or is a standby, or there is no such table.
pub async fn run(options: &Options) -> Result<Ended> {
    if !(options.dead > 0.0 && options.hot > 0.0) {
        bail!("--dead and --hot are numbers of rows above 0");
    }
    let found = gather::gather(options).await?;
    if options.json {
        show::print_json(&found)?;
    } else {
        show::print(&screen::text(&found, usize::try_from(options.limit)?));
    }
    Ok(found.ended())
}
