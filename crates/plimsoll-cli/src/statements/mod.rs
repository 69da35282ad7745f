//! `plimsoll statements`: the statements that take the server's time, from the counters of `pg_stat_statements`.
//!
//! | file | what it holds |
//! |---|---|
//! | [`kept`] | the file in which looks are kept |
//! | [`screen`] | the statements as text |

mod kept;
mod screen;

use crate::Ended;
use crate::ask::{Refused, ask};
use crate::connect::Target;
use crate::options::time::time;
use crate::show::{Output, rows};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use plimsoll::DirectConnection;
use plimsoll_inspect::statements::history::{Grown, Growth, Snapshot};
use plimsoll_inspect::statements::{COLLECTED, Collecting, Gap, Order, Statement, TopStatements};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// The options of `statements`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// What puts a statement first
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Total)]
    by: By,

    /// How many are shown at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,

    /// Only statements that were called more than so often [default: 10 with --by mean, else 0]
    #[arg(long, value_name = "NUMBER")]
    more_than_calls: Option<u64>,

    /// Keep what was seen in this file, as a line of JSON; of the counters, so that what was done between two looks can be told later
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,

    /// Only what was done since the last look that was kept; with a time, as in --last 24h, since the last one before that
    #[arg(long, value_name = "TIME", requires = "keep", num_args = 0..=1, default_missing_value = "0s", value_parser = time)]
    last: Option<Duration>,

    #[command(flatten)]
    output: Output,
}

/// What puts a statement first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// The time of all calls together: what the server is busy with
    #[default]
    Total,
    /// The mean time of a call: what callers wait for
    Mean,
    /// What was read into the server's memory and written from it
    Io,
    /// Temporary files, for what work_mem has no room for
    Temp,
}

impl By {
    fn order(self) -> Order {
        match self {
            By::Total => Order::Total,
            By::Mean => Order::Mean,
            By::Io => Order::Io,
            By::Temp => Order::Temp,
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    schema_version: u32,
    by: Order,
    more_than_calls: u64,
    /// What has to be done before there is anything to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Missing>,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
struct Missing {
    what: Gap,
    how: String,
}

/// From where the numbers are.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Nothing is collected.
    Nothing,
    /// The counters as they are.
    SinceReset(TopStatements),
    /// What was added since a look that was kept.
    SinceLook {
        growth: Box<Growth>,
        hidden: u64,
        left_out: u64,
        unreadable_lines: u64,
        statements: Vec<Grown>,
    },
    /// There is no such look yet.
    FirstLook { unreadable_lines: u64 },
}

/// Asks for the statements and lists them.
///
/// # Errors
/// The server cannot be reached, or does not answer; the file cannot be read or written.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("statements").await?;
    let order = options.by.order();
    let more_than_calls = options.more_than_calls.unwrap_or(order.least_calls());
    let mut found = Found { schema_version: 1, by: order, more_than_calls, gap: None, what: What::Nothing };
    let collecting = Collecting::read(&answer(&connection, COLLECTED).await?)?;
    match collecting.remedy() {
        Some(gap) => found.gap = Some(Missing { how: gap.to_string(), what: gap }),
        None => found.what = what(options, &connection, &collecting, more_than_calls).await?,
    }
    options.output.print(&found, |_| screen::text(&found), || plain(&found))?;
    Ok(match &found.what {
        What::Nothing | What::FirstLook { .. } => Ended::Unknown,
        What::SinceReset(top) if !top.sees_all => Ended::Unknown,
        What::SinceLook { hidden: 1.., .. } => Ended::Unknown,
        What::SinceReset(_) | What::SinceLook { .. } => Ended::Well,
    })
}

fn plain(found: &Found) -> String {
    let counted = &[
        "id",
        "user",
        "calls",
        "total",
        "mean",
        "share",
        "rows",
        "read_bytes",
        "written_bytes",
        "temp_bytes",
        "query",
    ];
    let grown = &[
        "id",
        "user",
        "calls",
        "total_ms",
        "share",
        "rows",
        "read_bytes",
        "written_bytes",
        "temp_bytes",
        "query",
    ];
    match &found.what {
        What::SinceLook { .. } => rows(found, &[("/since_look/statements", grown)]),
        _ => rows(found, &[("/since_reset/statements", counted)]),
    }
}

async fn what(
    options: &Options,
    connection: &DirectConnection,
    collecting: &Collecting,
    more_than_calls: u64,
) -> Result<What> {
    let order = options.by.order();
    let mut look = None;
    if let Some(file) = &options.keep {
        kept::is_ours(file)?;
        let snapshot = Snapshot::read(&answer(connection, &collecting.snapshot()?).await?)?;
        look = Some((file, snapshot));
    }
    let what = match (options.last, &look) {
        (Some(ago), Some((file, now))) => {
            let (growth, unreadable_lines) = kept::growth(file, now, ago)?;
            growth.map_or(What::FirstLook { unreadable_lines }, |growth| What::SinceLook {
                statements: growth.top(order, options.limit as usize, more_than_calls),
                hidden: now.hidden,
                left_out: growth.left_out(),
                growth: Box::new(growth),
                unreadable_lines,
            })
        }
        _ => {
            let question = collecting.top_of(order, options.limit, more_than_calls)?;
            What::SinceReset(TopStatements::read(&answer(connection, &question).await?)?)
        }
    };
    if let Some((file, now)) = &look {
        kept::add(file, now)?;
    }
    Ok(what)
}

async fn answer(connection: &DirectConnection, question: &str) -> Result<Vec<SimpleQueryMessage>> {
    match ask(connection, question, None).await? {
        Ok(answer) => Ok(answer),
        Err(Refused::Other(said)) if said.contains("55000") => {
            bail!("pg_stat_statements cannot be asked: {said}")
        }
        Err(refused) => bail!("the statements cannot be listed: {refused}"),
    }
}

/// A statement as it is shown, wherever its numbers are from.
#[derive(Debug)]
struct Shown<'a> {
    user: &'a str,
    query: Option<&'a str>,
    share: f64,
    total: Duration,
    calls: u64,
    mean: Duration,
    longest: Option<Duration>,
    rows: u64,
    io_bytes: u64,
    temp_bytes: u64,
}

impl<'a> From<&'a Statement> for Shown<'a> {
    fn from(it: &'a Statement) -> Self {
        Shown {
            user: &it.user,
            query: it.query.as_deref(),
            share: it.share,
            total: it.total,
            calls: it.calls,
            mean: it.mean,
            longest: Some(it.longest),
            rows: it.rows,
            io_bytes: it.read_bytes + it.written_bytes,
            temp_bytes: it.temp_bytes,
        }
    }
}

impl<'a> From<&'a Grown> for Shown<'a> {
    fn from(it: &'a Grown) -> Self {
        let millis = |ms: f64| Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default();
        Shown {
            user: &it.key.user,
            query: it.query.as_deref(),
            share: it.share,
            total: millis(it.work.total_ms),
            calls: it.work.calls,
            mean: millis(it.work.mean_ms()),
            longest: None,
            rows: it.work.rows,
            io_bytes: it.work.read_bytes + it.work.written_bytes,
            temp_bytes: it.work.temp_bytes,
        }
    }
}
