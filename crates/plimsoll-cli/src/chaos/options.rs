//! What was asked for on the command line, and what of that cannot be: found before anything is touched.

use super::drill::Drill;
use super::replay::Replay;
use crate::connect::Target;
use crate::options::time::{pause, time};
use anyhow::{Result, bail, ensure};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The options of `chaos`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The drills, played one after another
    #[arg(value_enum, value_name = "DRILL", required_unless_present = "replay")]
    pub(super) drills: Vec<Drill>,

    /// Plays a well-known outage in small on a private server instead; no service is needed
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["drills", "service", "url"])]
    pub(super) replay: Option<Replay>,

    #[command(flatten)]
    pub(super) target: Target,

    /// What is asked of the service, again and again: an address whose answer needs the database
    #[arg(long, value_name = "URL", required_unless_present = "replay")]
    pub(super) service: Option<String>,

    /// Where the service says whether it is ready, such as http://HOST:PORT/readyz
    #[arg(long, value_name = "URL")]
    pub(super) health: Option<String>,

    /// A file with the token that the service wants to see
    #[arg(long, value_name = "FILE")]
    pub(super) service_token_file: Option<PathBuf>,

    /// Listens here in front of the database, for freeze, cut and restart: the service has to connect to this address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) proxy: Option<SocketAddr>,

    /// The table whose lock is taken
    #[arg(long, value_name = "TABLE")]
    pub(super) table: Option<String>,

    /// Restarts the database, for the drill restart: a line for the shell
    #[arg(long, value_name = "COMMAND")]
    pub(super) restart_command: Option<String>,

    /// How long the fault lasts, up to 5min
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = fault_time, help_heading = "The drill")]
    pub(super) fault_for: Duration,

    /// How long the service is watched before
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = pause, help_heading = "The drill")]
    pub(super) before: Duration,

    /// Questions to the service in a second, 1 to 200, asked at their time whether or not earlier ones were answered
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200), help_heading = "The drill")]
    pub(super) rate: u32,

    /// Sessions that compute, in slow-query without a table, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "The drill")]
    pub(super) sessions: u32,

    /// How long the service may take to come through --proxy
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = pause, help_heading = "The drill")]
    pub(super) wait: Duration,

    /// No answer may take longer, whatever it says
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = pause, help_heading = "What must hold")]
    pub(super) answer_within: Duration,

    /// So long after the fault every question is served again
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = pause, help_heading = "What must hold")]
    pub(super) recover_within: Duration,

    /// So long after the beginning of a fault that makes the database unreachable --health says so
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = pause, help_heading = "What must hold")]
    pub(super) unready_within: Duration,

    /// Sessions that the service may have at the end; without it, as many as before
    #[arg(long, value_name = "N", help_heading = "What must hold")]
    pub(super) connections: Option<u64>,

    /// Shows what would be done and what must hold, and does nothing
    #[arg(long, conflicts_with_all = ["yes", "replay"])]
    pub(super) plan: bool,

    /// Does not ask
    #[arg(long, short = 'y')]
    pub(super) yes: bool,

    /// Goes on though the database looks like one in production
    #[arg(long)]
    pub(super) allow_production: bool,

    /// Write the result as a page of HTML too, with charts: one file, which loads nothing from anywhere
    #[arg(long, value_name = "FILE", conflicts_with = "plan", help_heading = "Output")]
    pub(super) html: Option<PathBuf>,

    /// Write the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
}

/// A fault is short.
const LONGEST: Duration = Duration::from_secs(300);

fn fault_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        short if short < Duration::from_millis(100) => Err("100ms is the shortest".to_owned()),
        long if long > LONGEST => Err("5min is the longest".to_owned()),
        time => Ok(time),
    }
}

impl Options {
    /// Whether the drills can be played as they were asked for.
    ///
    /// # Errors
    /// A drill lacks what it needs.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.table.as_deref().is_none_or(|table| !table.trim().is_empty()), "--table has no name");
        for drill in &self.drills {
            let name = drill.name();
            match drill {
                Drill::LockPileUp => {
                    ensure!(self.table.is_some(), "{name} needs the table whose lock is taken: --table");
                }
                Drill::Freeze | Drill::Cut => {
                    ensure!(self.proxy.is_some(), "{name} needs --proxy: {NEEDS_PROXY}");
                }
                Drill::Restart if self.proxy.is_none() && self.restart_command.is_none() => {
                    bail!("restart needs --restart-command, or --proxy: {NEEDS_PROXY}");
                }
                _ => {}
            }
        }
        Ok(())
    }
}

const NEEDS_PROXY: &str =
    "an address of this machine, to which the service connects instead of the database's own";
