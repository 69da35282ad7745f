//! What can be asked for.

use super::http::header;
use super::schedule::Arrivals;
use super::targets::{self, Said};
use crate::connect::Target;
use crate::options::time::{between, time};
use crate::show::Output;
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use hyper::header::{HeaderName, HeaderValue};
use std::path::PathBuf;
use std::time::Duration;

/// The options of `load`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    pub(super) what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum What {
    /// Call a service by HTTP, on a schedule that no answer moves
    #[command(after_help = crate::examples::LOAD)]
    Http(Http),
    /// Run statements on a database, through a pool of this many connections
    #[command(after_help = crate::examples::LOAD)]
    Sql(Sql),
    /// Find how large a pool should be: throughput, times and waits for each size
    #[command(after_help = crate::examples::LOAD)]
    PoolSize(PoolSize),
}

/// Of a service.
#[derive(Clone, Debug, Args)]
pub(super) struct Http {
    /// What is called, in turn: http:// or https:// (HTTP/1.1)
    #[arg(value_name = "URL")]
    urls: Vec<String>,

    /// A target with its weight and its method, such as '3 GET http://web-1:8080/orders'; may be said several times
    #[arg(short, long = "target", value_name = "TARGET", value_parser = targets::in_words)]
    targets: Vec<Said>,

    /// A file of targets, each with its weight; with its method, headers and body too (TOML, as in the operators' guide)
    #[arg(long, value_name = "FILE")]
    targets_file: Option<PathBuf>,

    /// The method of each URL that has none of its own; else GET, or POST where there is a body
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,

    /// A header of each request, as 'Name: value'; @FILE reads them from a file, a line for each
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// The body of each request of the command line
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,

    /// The same from a file
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) shape: Shape,
}

impl Http {
    /// All targets.
    ///
    /// # Errors
    /// A file cannot be read, or there is nothing to call.
    pub(super) fn targets(&self) -> Result<Vec<Said>> {
        let mut all: Vec<Said> = Vec::new();
        let urls = self.urls.iter().map(|url| Said { url: Some(url.clone()), weight: 1, ..Said::default() });
        for said in urls.chain(self.targets.iter().cloned()) {
            all.push(Said {
                method: said.method.or_else(|| self.method.clone()),
                body: self.body.clone(),
                body_file: self.body_file.clone(),
                ..said
            });
        }
        if let Some(file) = &self.targets_file {
            all.extend(targets::read(file)?);
        }
        ensure!(!all.is_empty(), "what is to be called? A URL, --target or --targets-file says it");
        targets::check(&all)?;
        Ok(all)
    }

    /// The headers that each request has.
    ///
    /// # Errors
    /// One is no header, or a file cannot be read.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut all = Vec::new();
        for said in &self.headers {
            let text = match said.strip_prefix('@') {
                Some(file) => targets::text_of(file.as_ref())?,
                None => said.clone(),
            };
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                all.push(header(line).map_err(anyhow::Error::msg)?);
            }
        }
        Ok(all)
    }
}

/// Of a database.
#[derive(Clone, Debug, Args)]
pub(super) struct Sql {
    #[command(flatten)]
    pub(super) target: Target,

    /// What is run; may be said several times, and is run in turn then
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    statements: Vec<String>,

    /// A file of SQL, which is run as one call; may be said several times
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A file of targets, each with its weight; here they are statements (TOML, as in the operators' guide)
    #[arg(long, value_name = "FILE")]
    targets_file: Option<PathBuf>,

    /// Connections of the pool through which they are run
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) connections: u32,

    #[command(flatten)]
    pub(super) shape: Shape,
}

impl Sql {
    /// All targets.
    ///
    /// # Errors
    /// A file cannot be read, or there is nothing to run.
    pub(super) fn targets(&self) -> Result<Vec<Said>> {
        let mut all = said_statements(&self.statements, &self.files);
        if let Some(file) = &self.targets_file {
            all.extend(targets::read(file)?);
        }
        ensure!(!all.is_empty(), "what is to be run? --command, --file or --targets-file says it");
        targets::check(&all)?;
        Ok(all)
    }
}

fn said_statements(statements: &[String], files: &[PathBuf]) -> Vec<Said> {
    let statements = statements.iter().map(|sql| Said { sql: Some(sql.clone()), ..Said::default() });
    let files = files.iter().map(|file| Said { sql_file: Some(file.clone()), ..Said::default() });
    statements.chain(files).map(|said| Said { weight: 1, ..said }).collect()
}

/// The load itself, whatever is called.
#[derive(Clone, Debug, Args)]
pub(super) struct Shape {
    /// Calls a second, whatever becomes of those before them
    #[arg(short, long, value_name = "NUMBER", default_value_t = 50.0, value_parser = rate, help_heading = "Load")]
    pub(super) rate: f64,

    /// How they follow each other
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Arrivals::Constant, help_heading = "Load")]
    pub(super) arrivals: Arrivals,

    /// With --arrivals poisson: the same number makes the same arrivals
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Load")]
    pub(super) seed: u64,

    /// How long the load lasts; each round of it
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = length, help_heading = "Load")]
    pub(super) length: Duration,

    /// Rounds; the spread between them tells what a difference is worth
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000), help_heading = "Load")]
    pub(super) rounds: u32,

    /// The same load before the first round, which is not counted; 0s for none
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time, help_heading = "Load")]
    pub(super) warm_up: Duration,

    /// Calls in flight at most; one that is due beyond them is skipped and counted
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    pub(super) in_flight: u32,

    /// How long a call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = length, help_heading = "Load")]
    pub(super) timeout: Duration,

    /// Do it without being asked
    #[arg(long, short = 'y', help_heading = "Load")]
    pub(super) yes: bool,

    /// The share of calls that may end otherwise than well, or be skipped, before the exit status is 1
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent, help_heading = "Result")]
    pub(super) allow: f64,

    /// Keep the figures as a baseline
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(super) save: Option<PathBuf>,

    /// Hold the figures against a baseline: the exit status is 1 if p99 or the throughput is worse beyond the spread
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(super) against: Option<PathBuf>,

    /// By how much a figure has to differ besides
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent, help_heading = "Result")]
    pub(super) tolerance: f64,

    /// Write the figures as OpenMetrics, for Prometheus
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(super) openmetrics: Option<PathBuf>,

    /// Write a page of the result, in one file that loads nothing
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub(super) html: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// Of the search for a size.
#[derive(Clone, Debug, Args)]
pub(super) struct PoolSize {
    #[command(flatten)]
    pub(super) target: Target,

    /// What is run; without it, a small transaction on tables of its own, which are dropped after it
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file")]
    statement: Option<String>,

    /// A file of SQL, which is run as one call; instead of --command
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Of the built-in transaction, only the part that reads
    #[arg(long, conflicts_with_all = ["statement", "file"])]
    pub(super) read_only: bool,

    /// The size of the built-in tables: 10,000 accounts and one branch for each; more branches are fewer waits for a row
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=1_000), conflicts_with_all = ["statement", "file"])]
    pub(super) scale: i32,

    /// The largest pool that is tried; never more than the server has free
    #[arg(long, value_name = "NUMBER", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) most: u32,

    /// How long the load lasts; for each size, in each round
    #[arg(long = "for", value_name = "TIME", default_value = "2s", value_parser = length)]
    pub(super) length: Duration,

    /// Rounds; in each of them every size has its turn
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,

    /// How far below the best throughput a size may be and still be taken
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub(super) near: f64,

    /// Calls a second, whatever becomes of those before them; what all instances together have to carry, of which Little's law tells how
    /// many connections it keeps busy, and which is tried
    #[arg(short, long, value_name = "NUMBER", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// Instances of the service, each with a pool of this size
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) instances: u32,

    /// How long a call may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = length)]
    pub(super) timeout: Duration,

    /// Do it without being asked
    #[arg(long, short = 'y')]
    pub(super) yes: bool,

    /// Write the figures as OpenMetrics, for Prometheus
    #[arg(long, value_name = "FILE")]
    pub(super) openmetrics: Option<PathBuf>,

    /// Write a page of the result, in one file that loads nothing
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}

impl PoolSize {
    /// What is run, if it is not the built-in transaction.
    pub(super) fn statement(&self) -> Option<Said> {
        let statements: Vec<String> = self.statement.iter().cloned().collect();
        let files: Vec<PathBuf> = self.file.iter().cloned().collect();
        said_statements(&statements, &files).pop()
    }
}

const FASTEST: f64 = 100_000.0;

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    let rate = rate.filter(|rate| (0.01..=FASTEST).contains(rate));
    rate.ok_or_else(|| format!("calls a second: a number from 0.01 to {FASTEST}"))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: Option<f64> = text.trim_end_matches('%').trim().parse().ok();
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a number from 0 to 100".to_owned())
}

fn length(text: &str) -> Result<Duration, String> {
    between(Duration::from_millis(100), Duration::from_secs(86_400))(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        assert_eq!((rate("0.5"), rate("1e3")), (Ok(0.5), Ok(1_000.0)));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "", "x"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!((percent("5%"), percent("0")), (Ok(5.0), Ok(0.0)));
        assert!(percent("101").is_err() && percent("NaN").is_err() && percent("").is_err());
        assert!(length("10ms").is_err() && length("48h").is_err() && length("1").is_err());
        assert_eq!(length("100ms"), Ok(Duration::from_millis(100)));
    }
}
