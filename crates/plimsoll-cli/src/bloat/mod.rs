//! `plimsoll bloat`: how much of each table and index is waste, how that is known, and the SQL that rebuilds it.
//!
//! Without `--exact` everything is estimated from catalogs and statistics, and no row is read; what cannot be estimated is told as
//! unknown, with the reason.
//!
//! | file | what it holds |
//! |---|---|
//! | [`gather`] | asks for the estimates |
//! | [`measure`] | has pgstattuple count, one table or index at a time |
//! | [`page`] | what was found, as a table on a page of HTML |
//! | [`screen`] | what was found, as text |

pub(crate) mod gather;
mod measure;
pub(crate) mod page;
mod screen;

use crate::connect::Target;
use crate::{Ended, show};
use anyhow::{Result, bail};
use clap::Args;
use plimsoll_inspect::bloat::Estimate;
use serde::Serialize;
use std::time::Duration;

/// The options of `bloat`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Only this table with its indexes, as orders or public.orders, quoted as in SQL; may be given more than once
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,

    /// How many tables and indexes are shown at most; --json has all
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,

    /// The TOAST tables of PostgreSQL's own tables too
    #[arg(long)]
    system: bool,

    /// Have pgstattuple count the tables that are named, or the worst and the unknown ones: it reads them
    #[arg(long)]
    exact: bool,

    /// How many tables and indexes are counted at most, where none is named
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=400))]
    worst: u64,

    /// How long counting one table or index may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::sessions::time)]
    exact_within: Duration,

    /// Of a table larger than this not all is read: pgstattuple_approx instead of pgstattuple
    #[arg(long, value_name = "MB", default_value_t = 1_024.0, value_parser = megabytes)]
    approx_above: f64,

    /// This much waste is a warning, if it is also --warn-mb
    #[arg(long, value_name = "PERCENT", default_value_t = 30.0, value_parser = percent)]
    warn: f64,

    /// Waste below this is left alone, and so is what is smaller as a whole
    #[arg(long, value_name = "MB", default_value_t = 500.0, value_parser = megabytes)]
    warn_mb: f64,

    /// This much waste is trouble, if it is also --crit-mb
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0, value_parser = percent)]
    crit: f64,

    /// See --crit
    #[arg(long, value_name = "MB", default_value_t = 10_240.0, value_parser = megabytes)]
    crit_mb: f64,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let read = text.trim_end_matches('%').trim().parse().ok();
    read.filter(|share| (0.0..=100.0).contains(share)).ok_or_else(|| "a number from 0 to 100".to_owned())
}

fn megabytes(text: &str) -> Result<f64, String> {
    let read = text.parse().ok();
    read.filter(|mb: &f64| mb.is_finite() && *mb >= 0.0).ok_or_else(|| "a number, 0 or more".to_owned())
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Below the thresholds.
    Ok,
    /// It could be above them, and is not known.
    Unknown,
    /// Above the first.
    Warn,
    /// Above the second.
    Crit,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    schema_version: u32,
    database: String,
    warn_percent: f64,
    warn_mb: f64,
    crit_percent: f64,
    crit_mb: f64,
    /// The worst first.
    relations: Vec<Relation>,
    /// What could not be found out, and why.
    unknown: Vec<String>,
    /// It was stopped before it was through.
    is_interrupted: bool,
}

/// A table, a TOAST table or an index.
#[derive(Clone, Debug, Serialize)]
struct Relation {
    /// `table`, `toast` or `index`.
    kind: &'static str,
    /// Quoted where it must be.
    name: String,
    /// The table it belongs to, which is itself for a table.
    table: String,
    state: State,
    bytes: f64,
    wasted_bytes: Option<f64>,
    wasted_percent: Option<f64>,
    /// It is at least so much.
    is_least: bool,
    /// Rows that are dead and not removed yet, where they were counted.
    dead_rows: Option<f64>,
    /// How that is known.
    method: &'static str,
    /// Why it is not known, or why it was not counted.
    why_not: Option<String>,
    /// What rebuilds it, if it is above the thresholds; or what makes it known.
    run: Option<String>,
    #[serde(skip)]
    fill_factor: f64,
}

const MB: f64 = 1_048_576.0;

impl Relation {
    /// Takes what is known of its waste.
    fn know(&mut self, estimate: Estimate, method: &'static str) {
        self.bytes = estimate.bytes;
        self.wasted_bytes = Some(estimate.wasted_bytes());
        self.wasted_percent = Some(estimate.waste * 100.0);
        self.is_least = estimate.at_least;
        self.method = method;
    }

    fn judge(&mut self, options: &Options) {
        let is_over = |percent: f64, mb: f64| {
            let wasted = self.wasted_bytes.unwrap_or_default();
            wasted > 0.0 && self.wasted_percent.is_some_and(|share| share >= percent) && wasted >= mb * MB
        };
        let is_open = self.wasted_bytes.is_none() || self.is_least;
        self.state = match () {
            () if is_over(options.crit, options.crit_mb) => State::Crit,
            () if is_over(options.warn, options.warn_mb) => State::Warn,
            () if is_open && self.bytes >= options.warn_mb * MB => State::Unknown,
            () => State::Ok,
        };
        if self.state >= State::Warn {
            self.run = Some(match self.kind {
                "index" => format!("REINDEX INDEX CONCURRENTLY {}", self.name),
                _ => format!("VACUUM (FULL, ANALYZE) {}", self.table),
            });
        }
    }
}

impl Found {
    fn ended(&self) -> Ended {
        let worst = self.relations.iter().map(|relation| relation.state).max().unwrap_or(State::Ok);
        match worst {
            _ if self.is_interrupted => Ended::Interrupted,
            State::Crit => Ended::Badly,
            State::Warn => Ended::Warned,
            State::Ok if self.unknown.is_empty() => Ended::Well,
            State::Ok | State::Unknown => Ended::Unknown,
        }
    }
}

/// Asks, and prints what was found.
///
/// # Errors
/// The server cannot be reached, there is no such table, or counting is asked for where it cannot be had.
pub async fn run(options: &Options) -> Result<Ended> {
    if options.crit < options.warn || options.crit_mb < options.warn_mb {
        bail!("--crit and --crit-mb have to be no less than --warn and --warn-mb");
    }
    let found = gather::gather(options).await?;
    if options.json {
        show::print_json(&found)?;
    } else {
        show::print(&screen::text(&found, usize::try_from(options.limit)?));
    }
    Ok(found.ended())
}
