//! `plimsoll cancel` and `plimsoll terminate`: what would be stopped and what would be lost with it; and, with `--run`, the stop.

use super::audit::Audit;
use super::choice::Meant;
use super::{LOOK_LIMIT, line, look, printable};
use crate::options::Consent;
use crate::options::time::between;
use crate::show::{Output, rows};
use crate::{Ended, show};
use anyhow::{Context, Result, ensure};
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll_inspect::sessions::choice::LeftAlone;
use plimsoll_inspect::sessions::stop::{Stop, was_stopped};
use plimsoll_inspect::sessions::victim::{loss, roots};
use plimsoll_inspect::sessions::{Choice, Session, Sessions};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The options of `cancel` and `terminate`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    meant: Meant,

    /// Of those that hold others up only the one whose end loses least
    #[arg(long)]
    safest: bool,

    #[command(flatten)]
    consent: Consent,

    /// Terminate what still runs so long after its cancel
    #[arg(long, value_name = "TIME", value_parser = between(PAUSE, LONGEST))]
    escalate: Option<Duration>,

    /// Why, for the audit file and the server's log
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    why: String,

    /// Add a line for each stop to this file
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,

    #[command(flatten)]
    output: Output,
}

/// What is meant, and what came of it.
#[derive(Debug, Serialize)]
struct Found<'a> {
    schema_version: u32,
    sees_all: bool,
    /// Nothing was stopped: this was a look.
    only_shown: bool,
    sessions: Vec<One<'a>>,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    #[serde(flatten)]
    session: &'a Session,
    loss: String,
    /// Why it was left alone.
    left_alone: Option<&'static str>,
    /// What came of the stop.
    result: Option<&'static str>,
}

/// The longest that a cancel is waited for before it is escalated.
const LONGEST: Duration = Duration::from_secs(3_600);

const PAUSE: Duration = Duration::from_millis(200);

/// How long a stop may take to show where no escalation was asked for.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);

/// Shows or stops them.
///
/// # Errors
/// Nothing was said of which sessions are meant, the server cannot be reached, the audit file cannot be written.
pub async fn run(stop: Stop, options: &Options) -> Result<Ended> {
    let mut choice = options.meant.choice();
    choice.blocking |= options.safest;
    ensure!(
        !choice.is_empty(),
        "say which sessions are meant: a process id, --application, --user, --query, --older-than, --idle-in-transaction or \
         --blocking (plimsoll long lists what there is)"
    );
    let mut audit = Audit::open(options.audit.as_deref())?;
    let command = if stop == Stop::Cancel { "cancel" } else { "terminate" };
    let connection = options.meant.target()?.connect(command).await?;
    let all = look(&connection).await?;
    let meant = meant(&all, &choice, options.safest);
    let terminates = stop == Stop::Terminate || options.escalate.is_some();
    let only_shown = !options.consent.does();
    let mut found = Found { schema_version: 1, sees_all: all.sees_all, only_shown, sessions: Vec::new() };
    let mut ended = if meant.is_empty() && !all.sees_all { Ended::Unknown } else { Ended::Well };
    for session in meant {
        let lost = loss(session, terminates);
        told(options, &about(session, &lost));
        let left_alone = choice.leaves_alone(session, terminates).map(LeftAlone::as_str);
        let mut result = None;
        if let Some(reason) = left_alone {
            told(options, &format!("         left alone: {reason}\n"));
        } else if !only_shown {
            let came = one(&connection, stop, session, options, &mut audit, &lost).await?;
            told(options, &format!("         {}\n", came.as_str()));
            if came == StopResult::GoesOn {
                ended = Ended::Badly;
            }
            result = Some(came.as_str());
        }
        found.sessions.push(One { session, loss: lost, left_alone, result });
    }
    options.output.print(&found, |_| at_the_end(&found), || plain(&found))?;
    Ok(ended)
}

/// Tells people what goes on while it goes on; programs are told at the end.
fn told(options: &Options, text: &str) {
    if options.output.is_table() {
        show::print(text);
    }
}

fn about(session: &Session, lost: &str) -> String {
    let query = session.query.as_ref().map(|query| format!("         {}\n", printable(query, 110)));
    format!("{}\n{}         lost with it: {lost}\n", line(session), query.unwrap_or_default())
}

fn at_the_end(found: &Found<'_>) -> String {
    match (found.sessions.is_empty(), found.only_shown) {
        (true, _) if found.sees_all => "No session fits.\n".to_owned(),
        (true, _) => "No session fits; sessions of other roles are hidden from this one.\n".to_owned(),
        (false, true) => "Nothing was stopped: this was a look. Add --run to do it.\n".to_owned(),
        (false, false) => String::new(),
    }
}

fn plain(found: &Found<'_>) -> String {
    let members =
        &["pid", "user", "database", "application_name", "state", "loss", "left_alone", "result", "query"];
    rows(found, &[("/sessions", members)])
}

fn meant<'a>(all: &'a Sessions, choice: &Choice, safest: bool) -> Vec<&'a Session> {
    let roots = roots(all);
    let is_root = |session: &Session| roots.iter().any(|root| root.pid == session.pid);
    let mut meant: Vec<&Session> =
        all.sessions.iter().filter(|session| choice.means(session, is_root(session))).collect();
    if safest {
        // The roots are in their order.
        meant.sort_by_key(|session| roots.iter().position(|root| root.pid == session.pid));
        meant.truncate(1);
    }
    meant
}

/// What came of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopResult {
    Stopped,
    Escalated,
    NotThere,
    GoesOn,
}

impl StopResult {
    fn as_str(self) -> &'static str {
        match self {
            StopResult::Stopped => "stopped",
            StopResult::Escalated => "stopped: its cancel did nothing in time, so the session was terminated",
            StopResult::NotThere => "not stopped: by now it has ended, or does something else",
            StopResult::GoesOn => {
                "told to stop, and goes on: it may be in a call that cannot be interrupted; the server's log and \
                 `plimsoll explain` tell more; nothing stronger was done"
            }
        }
    }
}

async fn one(
    connection: &DirectConnection,
    stop: Stop,
    session: &Session,
    options: &Options,
    audit: &mut Audit,
    lost: &str,
) -> Result<StopResult> {
    // A cancel does nothing to a session that stands still: there only the second step does.
    let stands_still = stop == Stop::Cancel && !session.is_active() && options.escalate.is_some();
    let mut result = StopResult::GoesOn;
    if !stands_still {
        result = tell(connection, stop, session, options, options.escalate.unwrap_or(SHOWS_WITHIN)).await?;
        audit.add(session, stop.function(), &options.why, lost, result.as_str())?;
    }
    if result == StopResult::GoesOn && stop == Stop::Cancel && options.escalate.is_some() {
        result = match tell(connection, Stop::Terminate, session, options, SHOWS_WITHIN).await? {
            StopResult::Stopped => StopResult::Escalated,
            other => other,
        };
        audit.add(session, Stop::Terminate.function(), &options.why, lost, result.as_str())?;
    }
    Ok(result)
}

/// Tells one session to stop, and looks until that shows.
async fn tell(
    connection: &DirectConnection,
    stop: Stop,
    session: &Session,
    options: &Options,
    within: Duration,
) -> Result<StopResult> {
    let statement = stop.statement(session, &options.why);
    let answer = timeout(LOOK_LIMIT, connection.client().simple_query(&statement)).await;
    let answer = answer.context("the server did not answer the stop")?;
    let answer = answer.with_context(|| {
        format!("session {} cannot be stopped by this role (a superuser's only by a superuser; else GRANT pg_signal_backend)", session.pid)
    })?;
    if !was_stopped(&answer)? {
        return Ok(StopResult::NotThere);
    }
    let until = Instant::now() + within;
    loop {
        let now = look(connection).await?;
        let same = now.of(session.pid).filter(|now| now.backend_start == session.backend_start);
        let goes_on = match stop {
            Stop::Terminate => same.is_some(),
            Stop::Cancel => same.is_some_and(|now| now.is_active() && now.query_start == session.query_start),
        };
        if !goes_on {
            return Ok(StopResult::Stopped);
        }
        if Instant::now() >= until {
            return Ok(StopResult::GoesOn);
        }
        sleep(PAUSE).await;
    }
}
