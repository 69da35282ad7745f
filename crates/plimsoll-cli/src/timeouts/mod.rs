//! `plimsoll timeouts`: every time limit between a person and a row, and which of them lie the wrong way round.
//!
//! | file | what it holds |
//! |---|---|
//! | [`gather`] | reads the limits from where they are set |
//! | [`page`] | the limits as a part of a page of HTML |
//! | [`service`] | the limits of the service, from its environment |
//! | [`screen`] | the limits as text |

pub(crate) mod gather;
pub(crate) mod page;
mod screen;
mod service;

use crate::Ended;
use crate::connect::Target;
use crate::show::{Output, rows};
use anyhow::{Context, Result};
use clap::Args;
use plimsoll_inspect::layers::drawing::{Bar, Drawing, svg};
use plimsoll_inspect::layers::{
    Correction, Inversion, Limit, Missing, Whose, corrected, in_words, inversions, missing,
};
use serde::Serialize;
use std::path::PathBuf;

/// Where limits are set beside the server and its pooler.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Beside {
    /// A file of nginx, for the time limits; may be given more than once, for what one file includes
    #[arg(long, value_name = "FILE")]
    nginx: Vec<PathBuf>,

    /// The environment of the service, as a file of NAME=VALUE lines: PLIMSOLL_.., DATABASE_URL with its options, PGOPTIONS
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,

    /// A limit that is set in no such place: client=60s, request=15s, pool_timeout=5s, connect_timeout=5s, pool_idle=10min,
    /// client_query_timeout=60s; may be given more than once
    #[arg(long = "assume", value_name = "NAME=TIME")]
    limits: Vec<String>,
}

impl Options {
    /// For another command, which asks the same.
    pub(crate) fn new(target: Target, role: String, pooler: Option<String>, beside: Beside) -> Self {
        Options { target, role, pooler, beside, ..Options::default() }
    }
}

/// The options of `timeouts`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Ask no server: only what the files and options say
    #[arg(long)]
    no_server: bool,

    /// The role that the application logs in as; the one that connects unless told otherwise
    #[arg(long, value_name = "ROLE", default_value = "")]
    role: String,

    /// The PgBouncer in between, by the URL of its console; as postgres://admin@host:6432/pgbouncer
    #[arg(long, value_name = "URL", conflicts_with = "pgbouncer")]
    pooler: Option<String>,

    /// The file of the PgBouncer in between, instead of its console
    #[arg(long, value_name = "FILE")]
    pgbouncer: Option<PathBuf>,

    #[command(flatten)]
    beside: Beside,

    /// The end of a request stops the statements inside it, as it does in services on Plimsoll
    #[arg(long)]
    deadlines_travel: bool,

    /// Write the drawing to this file, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    output: Output,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    schema_version: u32,
    /// The role that the server's limits are those of.
    role: String,
    /// The database that they hold in.
    database: String,
    /// That role is a superuser, as which no application should log in.
    role_is_superuser: bool,
    /// Roles that log in and are no superuser: some of them.
    other_roles: Vec<String>,
    deadlines_travel: bool,
    /// From the outside in.
    limits: Vec<Limit>,
    inversions: Vec<Inversion>,
    missing: Vec<Missing>,
    corrected: Vec<Correction>,
    /// What was not read, and why.
    notes: Vec<String>,
}

impl Found {
    fn of(mut limits: Vec<Limit>, role: String, deadlines_travel: bool, notes: Vec<String>) -> Self {
        limits.sort_by_key(|limit| limit.layer);
        Found {
            schema_version: 1,
            role,
            database: String::new(),
            role_is_superuser: false,
            other_roles: Vec::new(),
            deadlines_travel,
            inversions: inversions(&limits, deadlines_travel),
            missing: missing(&limits),
            corrected: corrected(&limits, deadlines_travel),
            limits,
            notes,
        }
    }

    /// Whose the server's limits are.
    fn whose(&self) -> Whose<'_> {
        Whose { role: &self.role, database: &self.database, is_superuser: self.role_is_superuser }
    }

    fn is_wrong(&self, limit: &Limit) -> bool {
        self.inversions.iter().any(|it| it.inner == *limit)
            || self.missing.iter().any(|it| it.limit == *limit)
    }

    fn ended(&self) -> Ended {
        match (self.inversions.is_empty(), self.missing.is_empty()) {
            (false, _) => Ended::Badly,
            (true, false) => Ended::Warned,
            (true, true) => Ended::Well,
        }
    }
}

/// Reads the limits and prints them.
///
/// # Errors
/// A file cannot be read, a limit is no time, or the server cannot be reached.
pub async fn run(options: &Options) -> Result<Ended> {
    let found = gather::gather(options).await?;
    if let Some(file) = &options.svg {
        std::fs::write(file, drawing(&found))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    options.output.print(&found, |_| screen::text(&found), || plain(&found))?;
    Ok(found.ended())
}

fn plain(found: &Found) -> String {
    rows(
        found,
        &[
            ("/limits", &["layer", "name", "after_ms", "keeper", "place"]),
            ("/inversions", &["inner/name", "outer/name", "why"]),
            ("/missing", &["limit/name", "limit/place", "why"]),
            ("/corrected", &["limit/name", "limit/place", "to_ms"]),
        ],
    )
}

fn drawing(found: &Found) -> String {
    let bars: Vec<Bar> = found.limits.iter().map(|limit| bar(found, limit)).collect();
    let request = found.limits.iter().find(|limit| limit.name == "request").and_then(|limit| limit.after);
    let wrong = found.inversions.iter().map(|it| format!("!{}", screen::sentence(it)));
    let off =
        found.missing.iter().map(|it| format!("!{} is off ({}): {}", it.limit.name, it.limit.place, it.why));
    let notes: Vec<String> =
        wrong.chain(off).chain(["The scale of time is logarithmic.".to_owned()]).collect();
    svg(&Drawing {
        made_by: "Made by plimsoll timeouts.",
        title: "Who gives up, and after how long",
        subtitle: "From the client in. Each limit has to be shorter than the one around it; what is not is red.",
        last_column: "set in",
        notes: &notes,
        deadline: request.filter(|_| found.deadlines_travel),
        bars: &bars,
    })
}

fn bar(found: &Found, limit: &Limit) -> Bar {
    Bar {
        layer: limit.layer.as_str(),
        name: limit.name.to_owned(),
        after: limit.after,
        keeper: limit.keeper.as_str(),
        told: limit.place.clone(),
        is_inside: limit.layer > plimsoll_inspect::layers::Layer::Request,
        is_wrong: found.is_wrong(limit),
    }
}

/// A limit's time as it is shown.
fn shown(limit: &Limit) -> String {
    limit.after.map_or("off".to_owned(), in_words)
}
