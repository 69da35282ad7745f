//! `plimsoll doctor`: what is wrong with a server, a role or a table.

use crate::connect::Target;
use crate::{Ended, show};
use anyhow::Result;
use clap::Args;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::checks::{Report, Thresholds, all, examine};
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;

/// The options of `doctor`.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// The role that the application logs in as; the one that connects unless told otherwise
    #[arg(long, value_name = "ROLE", default_value = "")]
    role: String,

    /// Write the report as JSON
    #[arg(long)]
    json: bool,

    /// How long all checks may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    within: u64,
}

/// Asks all checks, and prints what was found.
///
/// # Errors
/// The server cannot be reached, or does not answer the first question.
pub async fn run(options: &Options) -> Result<Ended> {
    let connection = options.target.connect("doctor").await?;
    let until = Instant::now() + Duration::from_secs(options.within);
    let asking = Asking { role: &options.role, thresholds: Thresholds::default() };
    let subject = run::subject(connection.client(), &asking, until).await?;
    let checked = examine(all(), connection.client(), None, &subject, &asking, until, |_| ()).await;
    let report = Report::new(subject, checked);
    if options.json {
        show::print_json(&report)?;
    } else {
        show::print(&text(&report));
    }
    Ok(Ended::of(report.state()))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for checked in &report.checks {
        for finding in &checked.findings {
            let _ =
                writeln!(text, "{:7} {} {}: {}", finding.state, checked.id, finding.subject, finding.value);
        }
    }
    text
}
