//! What was asked for on the command line, and what of that cannot be: found before anything is touched.

use super::drill::Drill;
use super::replay::Replay;
use crate::closest::meant;
use crate::connect::{Connecting, Target};
use crate::options::time::{between, pause};
use crate::options::{Consent, TableName};
use crate::show::Output;
use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The options of `chaos`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The drills, played one after another (slow-query, lock-pile-up, freeze, cut, connection-exhaustion, restart); and the server, as
    /// with --database
    #[arg(value_name = "DRILL|URL", required_unless_present = "replay")]
    words: Vec<Word>,

    /// Plays a well-known outage in small on a private server instead; no service is needed
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["words", "service", "database"])]
    pub(super) replay: Option<Replay>,

    #[command(flatten)]
    connecting: Connecting,

    /// A service, by its address; it is asked again and again, and its answer needs the database
    #[arg(long, value_name = "URL", required_unless_present = "replay")]
    pub(super) service: Option<String>,

    /// Where the service says whether it is ready, such as http://HOST:PORT/readyz
    #[arg(long, value_name = "URL")]
    pub(super) health: Option<String>,

    /// The file with the token for the service; it goes with every question
    #[arg(long, value_name = "FILE")]
    pub(super) service_token_file: Option<PathBuf>,

    /// Listens here in front of the database, for freeze, cut and restart: the service has to connect to this address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) proxy: Option<SocketAddr>,

    /// Only this table, as SQL has it: orders, public.orders, 'public."Order Lines"'; the one whose lock is taken
    #[arg(long, value_name = "TABLE")]
    pub(super) table: Option<TableName>,

    /// Restarts the database, for the drill restart: a line for the shell
    #[arg(long, value_name = "COMMAND")]
    pub(super) restart_command: Option<String>,

    /// How long the fault lasts, up to 5min
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = between(SHORTEST, LONGEST), help_heading = "The drill")]
    pub(super) fault_for: Duration,

    /// How long the service is watched before
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = pause, help_heading = "The drill")]
    pub(super) before: Duration,

    /// Questions to the service in a second, 1 to 200, asked at their time whether or not earlier ones were answered
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200), help_heading = "The drill")]
    pub(super) questions: u32,

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
    pub(super) sessions_after: Option<u64>,

    #[command(flatten)]
    pub(super) consent: Consent,

    /// Goes on though the database looks like one in production
    #[arg(long)]
    pub(super) allow_production: bool,

    /// Write a page of the result, in one file that loads nothing
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) html: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// The name of a drill, or a server.
#[derive(Clone, Debug)]
enum Word {
    Drill(Drill),
    Server(String),
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(drill) = Drill::from_str(text, false) {
            return Ok(Word::Drill(drill));
        }
        if text.contains("://") || text.contains('=') {
            return Ok(Word::Server(text.to_owned()));
        }
        let names: Vec<&str> = Drill::value_variants().iter().map(|drill| drill.name()).collect();
        Err(format!("no drill of this name, and no URL{}", meant(text, names)))
    }
}

/// The bounds of a fault: it is short.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(300);

impl Options {
    /// The drills, as they were named.
    pub(super) fn drills(&self) -> Vec<Drill> {
        let drill = |word: &Word| match word {
            Word::Drill(drill) => Some(*drill),
            Word::Server(_) => None,
        };
        self.words.iter().filter_map(drill).collect()
    }

    /// The server.
    ///
    /// # Errors
    /// Several were named.
    pub(super) fn target(&self) -> Result<Target> {
        let servers = self.words.iter().filter_map(|word| match word {
            Word::Server(server) => Some(server.as_str()),
            Word::Drill(_) => None,
        });
        Target::among(servers, &self.connecting, "drills go by their names")
    }

    /// Whether the drills can be played as they were asked for.
    ///
    /// # Errors
    /// A drill lacks what it needs.
    pub(super) fn check(&self) -> Result<()> {
        let drills = self.drills();
        ensure!(!drills.is_empty(), "which DRILL is to be played? Name one or more of them");
        ensure!(
            self.html.is_none() || self.consent.does(),
            "--html is the page of a drill that was played: say --run or --yes with it"
        );
        for drill in drills {
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
