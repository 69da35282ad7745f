//! The command `plimsoll`, one file or folder a command.
//!
//! It is a library with a thin program around it, so that what its commands conclude can be tested without reading it
//! off a screen. Nothing here is meant for other programs.
//!
//! Exit statuses mean the same for every command: [`exits`] is the table.

pub mod apply;
mod ask;
pub mod bloat;
pub mod blocking;
pub mod chaos;
mod closest;
mod columns;
pub mod completions;
mod connect;
pub mod demo;
pub mod doctor;
mod endpoint;
mod examples;
mod exits;
pub mod explain;
pub mod indexes;
pub mod integrity;
mod interrupts;
pub mod load;
pub mod migrate;
mod options;
pub mod page;
mod private_server;
mod prompt;
pub mod report;
mod role;
pub mod sessions;
mod show;
pub mod sizes;
pub mod statements;
mod terminal_keys;
pub mod timeouts;
pub mod top;
pub mod vacuum;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::sessions::stop::Stop;
use std::process::ExitCode;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, max_term_width = 100, about = "The safe-load line for services on PostgreSQL", long_about = None)]
#[command(after_help = help())]
struct CommandLine {
    /// Whether the output has colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = show::Color::Auto, global = true, help_heading = "Output")]
    color: show::Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sixty seconds beside a plain pool, on a private server that you may freeze, cut and kill
    #[command(after_help = demo::HELP)]
    Demo(demo::Options),
    /// Settings, roles and remedies put right by SQL: shown first, journalled, read back, and taken back if need be
    Apply(apply::Options),
    /// What is wrong with a server, a role or a table, why it matters, and what puts it right
    #[command(after_help = doctor_help())]
    Doctor(Box<doctor::Options>),
    /// The indexes that are not valid, that another one covers, or that are never used; or all of a table
    #[command(after_help = examples::INDEXES)]
    Indexes(indexes::Options),
    /// What the tables promise of their rows, and with --count how many rows break it
    #[command(after_help = examples::INTEGRITY)]
    Integrity(integrity::Options),
    /// The statements and transactions that have gone on for long, and what would be lost with each
    #[command(after_help = examples::LONG)]
    Long(sessions::long::Options),
    /// Who waits for a lock and who holds it; with --watch the pile-ups, when they are over
    #[command(after_help = examples::BLOCKING)]
    Blocking(blocking::Options),
    /// How much of each table and index is waste, and the SQL that rebuilds it
    #[command(after_help = examples::BLOAT)]
    Bloat(bloat::Options),
    /// What autovacuum would do with each table and what holds it back; options that fit; what to ANALYZE
    #[command(after_help = examples::VACUUM)]
    Vacuum(vacuum::Options),
    /// One page of HTML with all of it: what is wrong, statements, tables, indexes, time limits and sessions
    #[command(after_help = examples::REPORT)]
    Report(Box<report::Options>),
    /// Cancel statements: shown first, done with --run
    #[command(after_help = examples::CANCEL)]
    Cancel(sessions::stop::Options),
    /// Terminate sessions: shown first, done with --run
    #[command(after_help = examples::TERMINATE)]
    Terminate(sessions::stop::Options),
    /// The largest tables: with their rows, their indexes and their long values
    #[command(after_help = examples::SIZES)]
    Sizes(sizes::Options),
    /// The statements that take the server's time, that read and write most, or that need temporary files
    #[command(after_help = examples::STATEMENTS)]
    Statements(statements::Options),
    /// Numbered files of SQL: how far they have come, what is pending, and applying them one at a time
    #[command(after_help = examples::MIGRATE)]
    Migrate(migrate::Options),
    /// Faults on purpose: what a service must hold when its database is slow, locked, full or away, and whether it does
    #[command(after_help = examples::CHAOS)]
    Chaos(Box<chaos::Options>),
    /// A load on a service or a database, on a schedule that no answer moves; and how large a pool should be
    #[command(after_help = examples::LOAD)]
    Load(Box<load::Options>),
    /// Every time limit from the client to the lock: where each is set, and which lie the wrong way round
    #[command(after_help = examples::TIMEOUTS)]
    Timeouts(timeouts::Options),
    /// What every session does now, who waits for whom, and how full the server is; sessions can be stopped there
    #[command(after_help = examples::TOP)]
    Top(top::Options),
    /// What a code, a check or a SQLSTATE means, and what to do about it
    #[command(after_help = explain::HELP)]
    Explain(explain::Options),
    /// The script by which a shell completes this command
    #[command(after_help = completions::COMPLETIONS_HELP)]
    Completions(completions::Completions),
    /// The page of the manual
    #[command(after_help = completions::MAN_HELP)]
    Man(completions::Manual),
}

fn help() -> String {
    format!("{}\n\n{}", connect::HELP, exits::help())
}

fn doctor_help() -> String {
    format!("{}\n{}", doctor::HELP, connect::HELP)
}

/// The command line; the help of each command says what its exit statuses mean.
fn command_line() -> clap::Command {
    CommandLine::command().mut_subcommands(exits::told)
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
    /// What the worst of several states comes to.
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
    let parsed = command_line().try_get_matches().and_then(|matches| CommandLine::from_arg_matches(&matches));
    let command = match parsed {
        Ok(line) => {
            line.color.hold();
            line.command
        }
        Err(error) => {
            return refused(&error);
        }
    };
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(perform(command)));
    match ended {
        Ok(_) if show::is_unwritten() => {
            show::tell("the result could not be written whole: is the disk full?");
            ExitCode::from(COULD_NOT)
        }
        Ok(ended) => ExitCode::from(ended.status()),
        Err(error) => {
            tell_error(&error);
            ExitCode::from(COULD_NOT)
        }
    }
}

/// What went wrong, in one line on the standard error.
fn tell_error(error: &anyhow::Error) {
    show::tell(&in_one_line(error));
}

/// What becomes of a command line that is not one: help and the version where they were asked for, else one line.
fn refused(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = error.render().to_string();
        let told = text.split("\n\nUsage:").next().unwrap_or_default();
        let told = told.split("For more information, try").next().unwrap_or_default();
        let told = told.split_whitespace().map(without_secret).collect::<Vec<_>>().join(" ");
        show::tell(&format!("{} (--help tells more)", told.trim_start_matches("error: ")));
        return ExitCode::from(COULD_NOT);
    }
    // Where the output is closed, the status still tells.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(COULD_NOT) } else { ExitCode::SUCCESS }
}

/// A word of the command line without what may be a password: a URL keeps its host alone.
fn without_secret(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://***@{place}"),
        None => word.to_owned(),
    }
}

/// What went wrong, with its causes, each of them once.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let told = cause.to_string();
        if !line.contains(&told) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&told);
        }
        // It tells its own causes.
        if cause.is::<plimsoll::Error>() {
            break;
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn perform(command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Apply(options) => apply::run(&options).await,
        Command::Doctor(options) => doctor::run(&options).await,
        Command::Indexes(options) => indexes::run(&options).await,
        Command::Integrity(options) => integrity::run(&options).await,
        Command::Long(options) => sessions::long::run(&options).await,
        Command::Blocking(options) => blocking::run(&options).await,
        Command::Bloat(options) => bloat::run(&options).await,
        Command::Vacuum(options) => vacuum::run(&options).await,
        Command::Report(options) => report::run(&options).await,
        Command::Cancel(options) => sessions::stop::run(Stop::Cancel, &options).await,
        Command::Terminate(options) => sessions::stop::run(Stop::Terminate, &options).await,
        Command::Sizes(options) => sizes::run(&options).await,
        Command::Statements(options) => statements::run(&options).await,
        Command::Migrate(options) => migrate::run(&options).await,
        Command::Chaos(options) => chaos::run(&options).await,
        Command::Load(options) => load::run(&options).await,
        Command::Timeouts(options) => timeouts::run(&options).await,
        Command::Top(options) => top::run(&options).await,
        Command::Explain(options) => explain::run(&options),
        Command::Completions(options) => completions::completions(&options),
        Command::Man(options) => completions::manual(&options),
    }
}
