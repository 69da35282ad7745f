//! The command `plimsoll`, one file or folder a command.
//!
//! It is a library with a thin program around it, so that what its commands conclude can be tested without reading it
//! off a screen. Nothing here is meant for other programs.
//!
//! Exit statuses are the same for every command: 0 when all is well, 1 when the command found that it is not, 2 when it
//! could not be run (bad options too), 130 when it was interrupted.

pub mod demo;
mod interrupts;

use clap::{Parser, Subcommand};
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
}

/// How a command ended, apart from not having been able to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All is well.
    Well,
    /// The command found that it is not.
    Badly,
    /// Somebody did not want to wait for the end.
    Interrupted,
}

/// Reads the arguments of the process and does what they say.
#[must_use]
pub fn run() -> ExitCode {
    let CommandLine { command: Command::Demo(options) } = CommandLine::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(demo::run(&options)),
        Err(cause) => Err(cause.into()),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::FAILURE,
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(error) => {
            // If nobody reads it any more, the status still tells.
            let _ = writeln!(std::io::stderr(), "plimsoll: {error:#}");
            ExitCode::from(2)
        }
    }
}
