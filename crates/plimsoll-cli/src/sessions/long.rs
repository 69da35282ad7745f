//! `plimsoll long`: the statements and transactions that have gone on for long, the longest first.

use super::choice::{Meant, time};
use super::{line, look, printable};
use crate::connect::Target;
use crate::{Ended, show};
use anyhow::Result;
use clap::Args;
use plimsoll_inspect::sessions::victim::{loss, roots};
use plimsoll_inspect::sessions::{Session, Sessions};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// The options of `long`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    meant: Meant,

    /// Only what has gone on for at least so long
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    min: Duration,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    schema_version: u32,
    sees_all: bool,
    sessions: Vec<Long<'a>>,
}

#[derive(Debug, Serialize)]
struct Long<'a> {
    #[serde(flatten)]
    session: &'a Session,
    /// Those that wait for it, where it stands at their root.
    waiters: Vec<i32>,
    loss: String,
}

/// Lists them.
///
/// # Errors
/// The server cannot be reached, or does not answer.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("long").await?;
    let all = look(&connection).await?;
    let found = found(&all, options);
    if options.json {
        show::print_json(&found)?;
    } else {
        show::print(&text(&found, options.min));
    }
    Ok(if found.sees_all { Ended::Well } else { Ended::Unknown })
}

fn found<'a>(all: &'a Sessions, options: &Options) -> Found<'a> {
    let roots = roots(all);
    let choice = options.meant.choice();
    let mut sessions: Vec<Long<'a>> = Vec::new();
    for session in &all.sessions {
        let root = roots.iter().find(|root| root.pid == session.pid);
        let is_meant = choice.is_empty() || choice.means(session, root.is_some());
        if is_meant && session.age().is_some_and(|age| age >= options.min) {
            let waiters = root.map(|root| root.waiters.clone()).unwrap_or_default();
            sessions.push(Long { session, waiters, loss: loss(session, false) });
        }
    }
    sessions.sort_by_key(|long| std::cmp::Reverse(long.session.age()));
    Found { schema_version: 1, sees_all: all.sees_all, sessions }
}

fn text(found: &Found<'_>, min: Duration) -> String {
    let mut text = String::new();
    for Long { session, waiters, loss } in &found.sessions {
        let _ = writeln!(text, "{}", line(session));
        if let Some(query) = &session.query {
            let _ = writeln!(text, "         {}", printable(query, 110));
        }
        if !waiters.is_empty() {
            let pids: Vec<String> = waiters.iter().map(i32::to_string).collect();
            let _ =
                writeln!(text, "         {} wait for it: {}", waiters.len(), printable(&pids.join(" "), 80));
        }
        let _ = writeln!(text, "         if it is stopped: {loss}");
    }
    if found.sessions.is_empty() {
        let _ =
            writeln!(text, "Nothing has gone on for {} or more.", plimsoll_inspect::layers::in_words(min));
    }
    if !found.sees_all {
        text.push_str(
            "Sessions of other roles are hidden from this one: GRANT pg_read_all_stats shows them.\n",
        );
    }
    text
}
