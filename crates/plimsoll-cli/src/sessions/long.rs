//! `plimsoll long`: the statements and transactions that have gone on for long, the longest first.

use super::choice::Meant;
use super::{line, look, printable};
use crate::Ended;
use crate::show::{Output, rows};
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
    meant: Meant,

    #[command(flatten)]
    output: Output,
}

/// What is younger is not long, unless somebody says so.
const YOUNGEST: Duration = Duration::from_secs(1);

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
    let connection = options.meant.target()?.connect("long").await?;
    let all = look(&connection).await?;
    let found = found(&all, options);
    let least = least(options);
    options.output.print(&found, |_| text(&found, least), || plain(&found))?;
    Ok(if found.sees_all { Ended::Well } else { Ended::Unknown })
}

fn found<'a>(all: &'a Sessions, options: &Options) -> Found<'a> {
    let roots = roots(all);
    let choice = options.meant.choice();
    let least = least(options);
    let mut sessions: Vec<Long<'a>> = Vec::new();
    for session in &all.sessions {
        let root = roots.iter().find(|root| root.pid == session.pid);
        let is_meant = choice.is_empty() || choice.means(session, root.is_some());
        if is_meant && session.age().is_some_and(|age| age >= least) {
            let waiters = root.map(|root| root.waiters.clone()).unwrap_or_default();
            sessions.push(Long { session, waiters, loss: loss(session, false) });
        }
    }
    sessions.sort_by_key(|long| std::cmp::Reverse(long.session.age()));
    Found { schema_version: 1, sees_all: all.sees_all, sessions }
}

fn least(options: &Options) -> Duration {
    options.meant.choice().older_than.unwrap_or(YOUNGEST)
}

fn plain(found: &Found<'_>) -> String {
    let members = &[
        "pid",
        "user",
        "database",
        "application_name",
        "state",
        "transaction_seconds",
        "statement_seconds",
        "wait",
        "waiters",
        "loss",
        "query",
    ];
    rows(found, &[("/sessions", members)])
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
        let _ = writeln!(text, "Nothing has gone on for {} or more.", plimsoll_inspect::span::in_words(min));
    }
    if !found.sees_all {
        text.push_str(
            "Sessions of other roles are hidden from this one: GRANT pg_read_all_stats shows them.\n",
        );
    }
    text
}
