//! `plimsoll doctor`: what is wrong with a server, a role or a table, why it matters, and what puts it right.
//!
//! It asks what `plimsoll-inspect` holds, on one connection, and on a second one the console of a PgBouncer if it came through one.
//! The server that is looked at may be the one in trouble: by its deadline the command is back with what it knows, and what still
//! runs on the server has been cancelled, on a connection that takes the place of the console's.
//!
//! | file | what is in it |
//! |---|---|
//! | `options` | what can be asked for |
//! | `page` | the report as a part of a page of HTML |
//! | `picks` | which checks, by id and pattern; thresholds; the earlier report |
//! | `pooler` | whether a pooler stands between, and its console |
//! | `screen` | the report as a table and as plain lines |
//! | `list` | all checks with their thresholds |
//! | `verdict` | the exit status |

mod list;
mod options;
pub(crate) mod page;
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
use plimsoll_inspect::checks::{Check, Checked, Finding, Place, Report};
use pooler::Pooler;
use std::time::Duration;
use tokio::time::Instant;

/// What is kept of the time for the end: to cancel what still runs.
pub(crate) const FOR_THE_END: Duration = Duration::from_secs(1);

/// Asks the checks, and prints what was found.
///
/// # Errors
/// The options contradict themselves, or the server cannot be reached, or does not answer the first question.
///
/// # Cancel safety
/// Dropping it closes its connections; a question under way then ends by its own limit on the server. An interrupt does more: the
/// question is cancelled.
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
    let time = Time { until: begun + within - FOR_THE_END.min(within / 4), at_last: begun + within };
    let asking = Asking { role: &options.role, thresholds };
    let Some(looked) = look(options, checks, &asking, time, &mut interrupts).await? else {
        return Ok(Ended::Interrupted);
    };
    let has_looked = verdict::has_looked(&looked.report);
    let report = match &earlier {
        Some(earlier) => {
            picks::tell_what_differs(&looked.report, earlier);
            looked.report.since(earlier)
        }
        None => looked.report,
    };
    let took = begun.elapsed();
    options.output.print(
        &report,
        |width| screen::table(&report, earlier.is_some(), took, width),
        || screen::plain(&report),
    )?;
    let is_incomplete = looked.is_console_missing && options.pooler.is_some();
    Ok(verdict::ended(&report, has_looked, options.strict, is_incomplete))
}

/// Until when checks are asked, and when the command is to be back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) until: Instant,
    pub(crate) at_last: Instant,
}

/// What was seen.
pub(crate) struct Looked {
    pub(crate) report: Report,
    /// A pooler's console was wanted and not to be had.
    is_console_missing: bool,
}

impl Looked {
    /// How a command ends that has asked all checks.
    pub(crate) fn ended(&self, options: &Options) -> Ended {
        let is_incomplete = self.is_console_missing && options.pooler.is_some();
        verdict::ended(&self.report, verdict::has_looked(&self.report), false, is_incomplete)
    }
}

/// Connects, asks, and leaves nothing running; nothing comes of it if somebody interrupts.
async fn look(
    options: &Options,
    checks: Vec<&'static Check>,
    asking: &Asking<'_>,
    time: Time,
    interrupts: &mut Interrupts,
) -> Result<Option<Looked>> {
    let progress = Progress::begin();
    progress.is_at("connecting".to_owned());
    let target = options.target(time.until.saturating_duration_since(Instant::now()));
    let connection = tokio::select! {
        connection = target.connect("doctor") => connection?,
        () = interrupts.next() => return Ok(None),
    };
    let asked = tokio::select! {
        asked = ask(options, &connection, checks, asking, time, &progress) => Some(asked?),
        () = interrupts.next() => None,
    };
    drop(progress);
    let Some(mut looked) = asked else {
        let _ = connection.cancel(FOR_THE_END).await;
        return Ok(None);
    };
    if let Some(why) = looked.report.cut_short.take() {
        looked.report.cut_short = Some(stopped(&connection, why, time.at_last).await);
    }
    Ok(Some(looked))
}

/// Asks all of it. The pooler's console is closed when this has ended, so that there is room for a cancel.
pub(crate) async fn ask(
    options: &Options,
    connection: &DirectConnection,
    checks: Vec<&'static Check>,
    asking: &Asking<'_>,
    time: Time,
    progress: &Progress,
) -> Result<Looked> {
    progress.is_at("looking who it is".to_owned());
    let subject = match run::subject(connection.client(), asking, time.until).await {
        Ok(subject) => run::not_too_old(subject)?,
        Err(error) => return Err(pooler::explained(error, connection)),
    };
    let left = time.until.saturating_duration_since(Instant::now());
    let pooler = pooler::find(options, connection, &subject, left).await;
    let (asked, unasked) = divided(checks, &pooler, !options.only.is_empty());
    let (count, mut place) = (asked.len(), 0);
    let begins = |check: &'static Check| {
        place += 1;
        progress.is_at(format!("{place} of {count}: {} {}", check.id, check.title));
    };
    let console = pooler.console();
    let examined =
        examine_all(asked, connection.client(), console, &subject, asking, time.until, begins).await;
    let Examined { mut checks, cut_short, .. } = examined;
    checks.extend(unasked);
    Ok(Looked {
        report: Report::new(subject, checks).through(pooler.name()).cut_short(cut_short),
        is_console_missing: pooler.missing().is_some(),
    })
}

/// The checks that can be asked, and what there is to say of the pooler's where its console is not to be had. Without a pooler
/// they are about nothing, and only told of where somebody named them.
fn divided(
    checks: Vec<&'static Check>,
    pooler: &Pooler,
    is_named: bool,
) -> (Vec<&'static Check>, Vec<Checked>) {
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
    let skipped = |check: &'static Check| Checked::new(check, vec![Finding::skipped("pooler", why)]);
    (of_server, of_pooler.into_iter().map(skipped).collect())
}

/// Cancels what still runs, in the time that is left; and says so if the server did not confirm it.
pub(crate) async fn stopped(connection: &DirectConnection, why: String, at_last: Instant) -> String {
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
