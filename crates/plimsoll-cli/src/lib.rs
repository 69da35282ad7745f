//! The command `plimsoll`, one file or folder a command.
//!
//! It is a library with a thin program around it, so that what its commands conclude can be tested without reading it
//! off a screen. Nothing here is meant for other programs.
//!
//! Exit statuses are the same for every command: 0 when all is well, 1 when something wants attention, 2 when something is
//! wrong now, 3 when it could not be found out (an unreachable server, a bad option), 130 when it was interrupted. Nagios and
//! what is like it read the first four that way.

pub mod blocking;
mod connect;
pub mod demo;
pub mod doctor;
mod interrupts;
pub mod migrate;
pub mod sessions;
mod show;
pub mod timeouts;
pub mod top;

use clap::{Parser, Subcommand};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::sessions::stop::Stop;
use std::io::Write;
use std::process::ExitCode;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, about = "The safe-load line for services on PostgreSQL", long_about = None)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sixty seconds beside a plain pool, on a private server that you may freeze, cut and kill
    Demo(demo::Options),
    /// What is wrong with a server, a role or a table, why it matters, and what puts it right
    Doctor(doctor::Options),
    /// The statements and transactions that have gone on for long, and what would be lost with each
    Long(sessions::long::Options),
    /// Who waits for a lock and who holds it; with --watch the pile-ups, when they are over
    Blocking(blocking::Options),
    /// Cancel statements: shown first, done with --run
    Cancel(sessions::stop::Options),
    /// Terminate sessions: shown first, done with --run
    Terminate(sessions::stop::Options),
    /// Numbered files of SQL: how far they have come, what is pending, and applying them one at a time
    Migrate(migrate::Options),
    /// Every time limit from the client to the lock: where each is set, and which lie the wrong way round
    Timeouts(timeouts::Options),
    /// What every session does now, who waits for whom, and how full the server is; sessions can be stopped there
    Top(top::Options),
}

/// How a command ended, apart from not having been able to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All is well.
    Well,
    /// Something wants attention.
    Warned,
    /// Something is wrong.
    Badly,
    /// What was asked for could not be found out, or not all of it.
    Unknown,
    /// Somebody did not want to wait for the end.
    Interrupted,
}

impl Ended {
    /// What the worst finding comes to.
    fn of(worst: State) -> Self {
        match worst {
            State::Ok | State::Info => Ended::Well,
            State::Skipped => Ended::Unknown,
            State::Warn => Ended::Warned,
            State::Crit => Ended::Badly,
        }
    }

    fn status(self) -> u8 {
        match self {
            Ended::Well => 0,
            Ended::Warned => 1,
            Ended::Badly => 2,
            Ended::Unknown => COULD_NOT,
            Ended::Interrupted => 130,
        }
    }
}

const COULD_NOT: u8 = 3;

/// Reads the arguments of the process and does what they say.
#[must_use]
pub fn run() -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            // If nobody reads it any more, the status still tells.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(COULD_NOT) } else { ExitCode::SUCCESS };
        }
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(perform(command)));
    match ended {
        Ok(ended) => ExitCode::from(ended.status()),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "plimsoll: {error:#}");
            ExitCode::from(COULD_NOT)
        }
    }
}

async fn perform(command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Doctor(options) => doctor::run(&options).await,
        Command::Long(options) => sessions::long::run(&options).await,
        Command::Blocking(options) => blocking::run(&options).await,
        Command::Cancel(options) => sessions::stop::run(Stop::Cancel, &options).await,
        Command::Terminate(options) => sessions::stop::run(Stop::Terminate, &options).await,
        Command::Migrate(options) => migrate::run(&options).await,
        Command::Timeouts(options) => timeouts::run(&options).await,
        Command::Top(options) => top::run(&options).await,
    }
}
