//! `plimsoll report`: one page of HTML with all that the command knows of a server at one moment, to be read, kept and handed on.
//!
//! It asks what the other commands ask, on one connection, and beside it at most one more: the console of a PgBouncer, or a cancel.
//! By its deadline the page is there; what is not on it is told on it, with the reason. What a session runs may hold data, so it is
//! shown without its constants unless somebody asks for them; passwords are never on it.
//!
//! | file | what is in it |
//! |---|---|
//! | `gather` | asks for one part after the other, until the time is over |
//! | `sessions` | what the sessions do, and who waits for whom |
//! | `statements` | the statements that take the server's time |
//! | `tables` | tables and indexes |

mod gather;
mod sessions;
mod statements;
mod tables;

use crate::connect::Target;
use crate::doctor;
use crate::interrupts::Interrupts;
use crate::options::time::between;
use crate::page::{Level, Page, PageFile};
use crate::show::progress::Progress;
use crate::timeouts;
use crate::{Ended, show};
use anyhow::Result;
use clap::Args;
use plimsoll::monitor::without_constants;
use plimsoll_inspect::checks::State;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The options of `report`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Where the page is written, or - for the standard output. Only an earlier page is replaced
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// The role that the application logs in as; the one that connects unless told otherwise
    #[arg(long, value_name = "ROLE", default_value = "", hide_default_value = true)]
    role: String,

    /// The PgBouncer in between, by the URL of its console; found by itself where the connection goes through one
    #[arg(long, value_name = "URL")]
    pooler: Option<String>,

    #[command(flatten)]
    beside: timeouts::Beside,

    /// Show statements with their constants, which may be data. Without it the page has none
    #[arg(long)]
    with_constants: bool,

    /// End after so long, with what is known by then; the page tells what is not on it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = between(SHORTEST, LONGEST))]
    within: Duration,
}

/// The bounds of what a page may take.
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(3_600);

impl Options {
    /// A statement as the page may show it.
    fn shown(&self, sql: &str) -> String {
        if self.with_constants { sql.to_owned() } else { without_constants(sql) }
    }
}

/// Asks, and writes the page.
///
/// # Errors
/// The page cannot be written there, a file of limits cannot be read, or the server cannot be reached or does not answer the first
/// question.
///
/// # Cancel safety
/// Dropping it closes its connection and writes nothing; a question under way then ends by its own limit on the server.
pub async fn run(options: &Options) -> Result<Ended> {
    let file = match options.output.as_os_str() == "-" {
        true => None,
        false => Some(PageFile::at(&options.output)?),
    };
    let mut interrupts = Interrupts::listen()?;
    let progress = Progress::begin();
    let gathered = gather::gather(options, &progress, &mut interrupts).await?;
    drop(progress);
    let Some(gathered) = gathered else { return Ok(Ended::Interrupted) };
    let page = gathered.page();
    match file {
        Some(file) => {
            file.write(&page)?;
            show::print(&told(options, &gathered));
        }
        None => show::print_as_it_is(&page.html()),
    }
    Ok(gathered.ended())
}

/// The line on the terminal.
fn told(options: &Options, gathered: &gather::Gathered) -> String {
    let report = &gathered.report;
    let count = |state: State| format!("{} {state}", report.count(state));
    let counts = [State::Crit, State::Warn, State::Info, State::Skipped, State::Ok].map(count).join(", ");
    let mut text = format!("{}: {counts}\n", options.output.display());
    for (parts, why) in gathered.missing_by_reason() {
        text.push_str(&format!("not on it: {}: {why}\n", parts.join(", ")));
    }
    text
}

impl gather::Gathered {
    fn page(&self) -> Page {
        let subject = &self.report.subject;
        let version = subject.version_text.split_whitespace().next().unwrap_or_default();
        let through = self.report.through.as_ref().map_or(String::new(), |it| format!(", through {it}"));
        let standby = if subject.is_standby { ", a standby" } else { "" };
        let asked = if subject.login == subject.role {
            String::new()
        } else {
            format!(", asked as {}", subject.login)
        };
        let mut page = Page::new(format!("Database {}", subject.database))
            .subtitle(format!(
                "PostgreSQL {version} at {}{through}{standby}; role {}{asked}",
                self.host, subject.role
            ))
            .subtitle(format!("{} UTC, in {:.1} s", at(&subject.server_time), self.took.as_secs_f64()));
        for (parts, why) in self.missing_by_reason() {
            let told = format!("Not on this page: {}: {why}.", parts.join(", "));
            page = page.verdict(Level::Unknown, "partial", &told);
        }
        page = doctor::page::summary(page, &self.report);
        self.sections.iter().cloned().fold(page, Page::section)
    }

    /// What is not on the page; parts that have the same reason are told together.
    fn missing_by_reason(&self) -> Vec<(Vec<&'static str>, &str)> {
        let mut all: Vec<(Vec<&'static str>, &str)> = Vec::new();
        for (part, why) in &self.missing {
            match all.iter_mut().find(|(_, told)| told == why) {
                Some((parts, _)) => parts.push(part),
                None => all.push((vec![part], why)),
            }
        }
        all
    }

    fn ended(&self) -> Ended {
        match self.ended {
            Ended::Well if !self.missing.is_empty() => Ended::Unknown,
            ended => ended,
        }
    }
}

/// A time without its fractions of a second.
fn at(time: &str) -> &str {
    time.split_once('.').map_or(time, |(whole, _)| whole)
}

/// Until when questions are asked, and when the page is to be there.
fn until(begun: Instant, within: Duration) -> doctor::Time {
    doctor::Time { until: begun + within - doctor::FOR_THE_END.min(within / 4), at_last: begun + within }
}
