//! Asks for one part after the other. A part that is not to be had is told with the reason, beside the others; what the server does
//! not answer by the deadline is cancelled.

use super::{Options, sessions, statements, tables};
use crate::doctor::{self, Time};
use crate::interrupts::Interrupts;
use crate::page::Section;
use crate::show::progress::Progress;
use crate::{Ended, timeouts};
use anyhow::Result;
use clap::Args;
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{Asking, NotAsked};
use plimsoll_inspect::checks::{Report, all};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const TOO_LATE: &str = "the time for the page was over before it was answered";

/// All that comes onto the page.
pub(super) struct Gathered {
    pub(super) report: Report,
    pub(super) host: String,
    pub(super) sections: Vec<Section>,
    /// What is not on the page, and why.
    pub(super) missing: Vec<(&'static str, String)>,
    pub(super) ended: Ended,
    pub(super) took: Duration,
}

/// Connects, asks, and leaves nothing running; nothing comes of it if somebody interrupts.
pub(super) async fn gather(
    options: &Options,
    progress: &Progress,
    interrupts: &mut Interrupts,
) -> Result<Option<Gathered>> {
    let begun = Instant::now();
    let time = super::until(begun, options.within);
    progress.is_at("connecting".to_owned());
    let target = options.target.within(time.until.saturating_duration_since(begun));
    let connection = tokio::select! {
        connection = target.connect("report") => connection?,
        () = interrupts.next() => return Ok(None),
    };
    let asked = tokio::select! {
        asked = ask(options, &connection, time, progress) => Some(asked?),
        () = interrupts.next() => None,
    };
    let Some(mut asking) = asked else {
        let _ = connection.cancel(doctor::FOR_THE_END).await;
        return Ok(None);
    };
    if let Some(why) = asking.hangs.take() {
        let told = doctor::stopped(&connection, why.clone(), time.at_last).await;
        if told != why {
            asking.gathered.missing.push(("what was still being asked", told));
        }
    }
    asking.gathered.took = begun.elapsed();
    Ok(Some(asking.gathered))
}

/// A run through the parts.
struct Parts<'a> {
    connection: &'a DirectConnection,
    progress: &'a Progress,
    until: Instant,
    gathered: Gathered,
    /// Why the connection is of no more use, if something may still run there.
    hangs: Option<String>,
}

async fn ask<'a>(
    options: &Options,
    connection: &'a DirectConnection,
    time: Time,
    progress: &'a Progress,
) -> Result<Parts<'a>> {
    let begun = |id, heading| Section::new(id, heading);
    // They are of this moment, and what is looked for in an incident: they come before the checks, which may take most of the time.
    progress.is_at("sessions".to_owned());
    let sessions = begun("sessions", "Sessions at this moment");
    let asked = timeout_at(time.until, sessions::section(connection, options, sessions.clone())).await;
    // Without an answer to the first question of the checks there is no page.
    let mut parts = doctor(options, connection, time, progress).await?;
    let sessions = match asked {
        Ok(Ok(asked)) => asked,
        Ok(Err(error)) => parts.lacks("sessions", &sessions, crate::in_one_line(&error)),
        Err(_) => parts.lacks("sessions", &sessions, TOO_LATE.to_owned()),
    };
    let statements = begun("statements", "Statements");
    let of_statements = statements::section(connection, options, statements.clone());
    let statements = parts.take("statements", &statements, of_statements).await;
    let tables = begun("tables", "Tables");
    let tables = parts.take("the sizes of tables", &tables, tables::sizes(connection, tables.clone())).await;
    let tables = parts.take("the waste in tables", &tables, tables::bloat(connection, tables.clone())).await;
    let tables =
        parts.take("what autovacuum does", &tables, tables::vacuum(connection, tables.clone())).await;
    let indexes = begun("indexes", "Indexes");
    let indexes = parts.take("indexes", &indexes, tables::indexes(connection, indexes.clone())).await;
    let limits = begun("timeouts", "Who gives up, and after how long");
    let limits = parts.take("time limits", &limits, time_limits(connection, options)).await;
    parts.gathered.sections.extend([sessions, statements, tables, indexes, limits]);
    Ok(parts)
}

async fn time_limits(connection: &DirectConnection, options: &Options) -> Result<Section> {
    let Options { target, role, pooler, beside, .. } = options.clone();
    let of_timeouts = timeouts::Options::new(target, role, pooler, beside);
    let found = timeouts::gather::gather_on(Some(connection), &of_timeouts).await?;
    Ok(timeouts::page::section(&found))
}

/// Asks the checks. They may take most of the time, and leave the rest of it to what comes after them.
async fn doctor<'a>(
    options: &Options,
    connection: &'a DirectConnection,
    time: Time,
    progress: &'a Progress,
) -> Result<Parts<'a>> {
    let mut said = vec![format!("--role={}", options.role)];
    said.extend(options.target.url().map(|url| format!("--database={url}")));
    said.extend(options.pooler.as_ref().map(|pooler| format!("--pooler={pooler}")));
    let of_doctor: doctor::Options = options_of(said)?;
    let left = time.until.saturating_duration_since(Instant::now());
    let of_checks = Time { until: Instant::now() + left * 2 / 3, ..time };
    let asking = Asking { role: &options.role, ..Asking::default() };
    let looked = doctor::ask(&of_doctor, connection, all().collect(), &asking, of_checks, progress).await?;
    let ended = looked.ended(&of_doctor);
    let report = looked.report;
    let mut gathered = Gathered {
        sections: vec![doctor::page::section(&report)],
        missing: Vec::new(),
        host: connection.host().to_string(),
        took: Duration::ZERO,
        ended,
        report,
    };
    // The question at which the time of the checks was over still runs.
    let hangs = gathered.report.cut_short.clone();
    gathered.missing.extend(hangs.clone().map(|why| ("some of the checks", why)));
    Ok(Parts { connection, progress, until: time.until, gathered, hangs })
}

impl Parts<'_> {
    /// Asks for a part of the page. What is not to be had leaves its reason there.
    async fn take(
        &mut self,
        part: &'static str,
        begun: &Section,
        asking: impl Future<Output = Result<Section>>,
    ) -> Section {
        let why = match &self.hangs {
            Some(why) => format!("nothing more could be asked: {why}"),
            None => {
                self.progress.is_at(part.to_owned());
                match timeout_at(self.until, asking).await {
                    Ok(Ok(asked)) => return asked,
                    Ok(Err(error)) => self.failed(&error),
                    Err(_) => {
                        self.hangs = Some(TOO_LATE.to_owned());
                        TOO_LATE.to_owned()
                    }
                }
            }
        };
        self.lacks(part, begun, why)
    }

    /// Tells what is not to be had, in the section and for the top of the page.
    fn lacks(&mut self, part: &'static str, begun: &Section, why: String) -> Section {
        let told = begun.clone().missing(&format!("{part}: {why}"));
        self.gathered.missing.push((part, why));
        told
    }

    /// Why a part is not to be had; and whether anything else is.
    fn failed(&mut self, error: &anyhow::Error) -> String {
        let why = crate::in_one_line(error);
        let hangs = error.chain().any(|it| matches!(it.downcast_ref(), Some(NotAsked::Hangs(_))));
        if hangs || self.connection.is_closed() {
            self.hangs = Some(why.clone());
        }
        why
    }
}

/// The options of another command, as its command line would be read.
pub(super) fn options_of<T: Args>(said: Vec<String>) -> Result<T> {
    let command = T::augment_args(clap::Command::new("plimsoll").no_binary_name(true));
    Ok(T::from_arg_matches(&command.try_get_matches_from(said)?)?)
}
