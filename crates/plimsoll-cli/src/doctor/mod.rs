//! `plimsoll doctor`: what is wrong with a server, a role or a table, why it matters, and what puts it right.
//!
//! It asks what `plimsoll-inspect` holds, on one connection, and on a second one the console of a PgBouncer if it came through one.
//! The server that is looked at may be the one in trouble: by its deadline the command is back with what it knows, and what still
//! runs on the server has been cancelled, on a connection that takes the place of the console's.
//!
//! | file | what is in it |
//! |---|---|
//! | `options` | what can be asked for |
//! | `picks` | which checks, by id and pattern; thresholds; the earlier report |
//! | `pooler` | whether a pooler stands between, and its console |
//! | `screen` | the report as a table and as plain lines |
//! | `list` | all checks with their thresholds |
//! | `verdict` | the exit status |

mod list;
mod options;
mod picks;
mod pooler;
mod screen;
mod verdict;

pub(crate) use options::HELP;
pub use options::Options;

use crate::Ended;
use crate::interrupts::Interrupts;
use crate::show::progress::Progress;
use crate::show::tell;
use anyhow::Result;
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking, Examined, examine_all};
use plimsoll_inspect::checks::{Check, Finding, Place, Report, Subject};
use pooler::Pooler;
use std::time::Duration;
use tokio::time::Instant;

/// What is kept of the time for the end: to cancel what still runs.
const FOR_THE_END: Duration = Duration::from_secs(1);

/// Asks the checks, and prints what was found.
///
/// # Errors
/// The options contradict themselves, or the server cannot be reached, or does not answer the first question.
///
/// # Cancel safety
/// Dropping it closes its connections; a question under way then ends by its own limit on the server.
pub async fn run(options: &Options) -> Result<Ended> {
    let checks = picks::checks(&options.only, &options.skip)?;
    let thresholds = picks::thresholds(&options.threshold)?;
    if options.list {
        return list::print(&options.output, &checks, &thresholds);
    }
    let earlier = options.since.as_deref().map(picks::earlier).transpose()?;
    let mut interrupts = Interrupts::listen()?;
    let begun = Instant::now();
    let within = Duration::from_secs(options.within);
    let until = begun + within - FOR_THE_END.min(within / 4);
    let asking = Asking { role: &options.role, thresholds };
    let looked = tokio::select! {
        looked = look(options, checks, &asking, until, begun + within) => looked?,
        () = interrupts.next() => return Ok(Ended::Interrupted),
    };
    let (report, is_console_missing) = looked;
    let report = match &earlier {
        Some(earlier) => {
            picks::tell_what_differs(&report, earlier);
            report.since(earlier)
        }
        None => report,
    };
    let took = begun.elapsed();
    options.output.print(
        &report,
        |width| screen::table(&report, earlier.is_some(), took, width),
        || screen::plain(&report),
    )?;
    let is_incomplete = is_console_missing && options.pooler.is_some();
    Ok(verdict::ended(&report, options.strict, is_incomplete))
}

/// Connects, asks, and leaves nothing running. It tells whether a pooler's console was wanted and not to be had.
async fn look(
    options: &Options,
    checks: Vec<&'static Check>,
    asking: &Asking<'_>,
    until: Instant,
    at_last: Instant,
) -> Result<(Report, bool)> {
    let left = || until.saturating_duration_since(Instant::now());
    let progress = Progress::begin();
    progress.is_at("connecting".to_owned());
    let connection = options.target(left()).connect("doctor").await?;
    progress.is_at("looking who it is".to_owned());
    let subject = run::subject(connection.client(), asking, until).await;
    let subject = match subject {
        Ok(subject) => run::not_too_old(subject)?,
        Err(error) => return Err(pooler::explained(error, &connection)),
    };
    let pooler = pooler::find(options, &connection, &subject, left()).await;
    let (asked, unasked) = divided(checks, &pooler, !options.only.is_empty());
    let count = asked.len();
    let mut place = 0;
    let examined =
        examine_all(asked, connection.client(), pooler.console(), &subject, asking, until, |check| {
            place += 1;
            progress.is_at(format!("{place} of {count}: {} {}", check.id, check.title));
        })
        .await;
    drop(progress);
    let is_console_missing = pooler.missing().is_some();
    let through = pooler.name();
    drop(pooler);
    let Examined { mut checks, cut_short, .. } = examined;
    checks.extend(unasked);
    let cut_short = match cut_short {
        Some(why) => Some(stopped(&connection, why, at_last).await),
        None => None,
    };
    Ok((report(subject, checks, through, cut_short), is_console_missing))
}

fn report(
    subject: Subject,
    checks: Vec<plimsoll_inspect::checks::Checked>,
    through: Option<String>,
    cut_short: Option<String>,
) -> Report {
    Report::new(subject, checks).through(through).cut_short(cut_short)
}

/// The checks that can be asked, and what there is to say of the pooler's where its console is not to be had. Without a pooler
/// they are about nothing, and only told of where somebody named them.
fn divided(
    checks: Vec<&'static Check>,
    pooler: &Pooler,
    is_named: bool,
) -> (Vec<&'static Check>, Vec<plimsoll_inspect::checks::Checked>) {
    if pooler.console().is_some() {
        return (checks, Vec::new());
    }
    let (of_pooler, of_server): (Vec<_>, Vec<_>) =
        checks.into_iter().partition(|check| check.place == Place::Pooler);
    let why = match pooler.missing() {
        Some(why) => why,
        None if is_named => "no pooler stands between, and --pooler names none",
        None => return (of_server, Vec::new()),
    };
    let skipped = |check: &'static Check| {
        plimsoll_inspect::checks::Checked::new(check, vec![Finding::skipped("pooler", why)])
    };
    (of_server, of_pooler.into_iter().map(skipped).collect())
}

/// Cancels what still runs, in the time that is left; and says so if the server did not confirm it.
async fn stopped(connection: &DirectConnection, why: String, at_last: Instant) -> String {
    if connection.is_closed() {
        return why;
    }
    let left = at_last.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    match connection.cancel(left).await {
        Ok(()) => why,
        Err(error) => {
            tell(error.sentence());
            format!(
                "{why}; the cancel of what runs was not confirmed: it ends by its own limit of {} s",
                run::QUESTION_LIMIT.as_secs()
            )
        }
    }
}
