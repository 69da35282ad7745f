//! `plimsoll migrate`: numbered files of SQL, looked at and applied, one at a time.
//!
//! The library applies them: one transaction a file, a limit on what a statement waits for a lock, since all behind it in that queue
//! wait too, and a history in the database. Here are the words around it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`screen`] | what is shown |
//! | [`lint`] | what `squawk` has to say, where it is installed |

mod lint;
mod screen;

use crate::columns::counted;
use crate::connect::Target;
use crate::{Ended, prompt, show};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use plimsoll::migrate::{FileState, FileStatus, MigrateOptions, MigrationStatus, Migrations};
use plimsoll::{Database, Outcome};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options of `migrate`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// How far each file has come
    Status(Files),
    /// What would be applied, with its statements; it applies nothing
    Plan(Files),
    /// Apply what is pending
    Apply(Apply),
    /// What squawk says of the files that are pending
    Lint(Files),
}

#[derive(Clone, Debug, Args)]
struct Files {
    /// The folder with the files, or one file
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct Apply {
    #[command(flatten)]
    files: Files,

    /// Apply no more than so many files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// How long a statement waits for a lock before its file is rolled back and tried again
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::sessions::time)]
    lock_timeout: Duration,

    /// How often a file is tried again after that
    #[arg(long, value_name = "N", default_value_t = 10)]
    retries: u32,

    /// The version up to which the schema existed before it had a history: recorded, not run
    #[arg(long, value_name = "VERSION")]
    baseline: Option<i64>,

    /// Run a file again that was begun and not finished
    #[arg(long)]
    rerun_started: bool,
}

impl Apply {
    fn options(&self) -> MigrateOptions {
        let options = MigrateOptions::default()
            .lock_timeout(self.lock_timeout)
            .retries(self.retries)
            .rerun_started(self.rerun_started);
        match self.baseline {
            Some(version) => options.baseline(version),
            None => options,
        }
    }
}

/// Does what was asked for.
///
/// # Errors
/// The folder does not exist or its files contradict themselves, the server cannot be reached, a file fails.
pub async fn run(options: &Options) -> Result<Ended> {
    match &options.action {
        Action::Status(files) => status(options, files).await,
        Action::Plan(files) => plan(options, files).await,
        Action::Apply(apply) => apply_files(options, apply).await,
        Action::Lint(files) => {
            let (all, db) = (read(&files.folder)?, database(&options.target).await?);
            let status = look(&db, &all, &MigrateOptions::default()).await?;
            lint::run(&files.folder, &status)
        }
    }
}

fn read(folder: &Path) -> Result<Migrations> {
    if !folder.exists() {
        bail!(
            "{} does not exist: name the folder with the files, such as 001_initial_schema.sql",
            folder.display()
        );
    }
    Ok(Migrations::from_folder(folder))
}

/// Two connections: a file outside a transaction needs a second one, which holds the lock.
async fn database(target: &Target) -> Result<Database> {
    let settings = target.settings()?.application_name("plimsoll migrate").pool_max(2).pool_min(0);
    let db = Database::connect(settings).await.context("no connection to the server")?;
    db.ready().await.context("no connection to the server")?;
    Ok(db)
}

async fn look(db: &Database, all: &Migrations, options: &MigrateOptions) -> Result<MigrationStatus> {
    let looked = db.migration_status(all, options).await;
    looked.map_err(|error| {
        let is_others = error.sqlstate().is_some_and(|code| code.code() == "42501");
        let whose = if is_others {
            ": the history is another role's, so connect as the one that applies migrations"
        } else {
            ""
        };
        anyhow::Error::msg(screen::in_options(&error.to_string()))
            .context(format!("how far the schema is cannot be read{whose}"))
    })
}

fn ended(status: &MigrationStatus) -> Ended {
    let is_wrong = |file: &FileStatus| matches!(file.state, FileState::Changed | FileState::Started);
    if !status.problems.is_empty() || status.files.iter().any(is_wrong) {
        Ended::Badly
    } else if status.files.iter().any(|file| file.state == FileState::Pending) {
        Ended::Warned
    } else {
        Ended::Well
    }
}

async fn status(options: &Options, files: &Files) -> Result<Ended> {
    let (all, db) = (read(&files.folder)?, database(&options.target).await?);
    let status = look(&db, &all, &MigrateOptions::default()).await?;
    if files.json {
        show::print_json(&screen::Status::of(&status))?;
    } else {
        show::print(&screen::status(&status));
    }
    Ok(ended(&status))
}

async fn plan(options: &Options, files: &Files) -> Result<Ended> {
    let (all, db) = (read(&files.folder)?, database(&options.target).await?);
    let status = look(&db, &all, &MigrateOptions::default()).await?;
    if files.json {
        show::print_json(&screen::Status::of(&status))?;
    } else {
        let texts =
            all.files().map_err(|problems| anyhow::anyhow!(screen::in_options(&problems.join("; "))))?;
        show::print(&screen::plan(&status, &texts));
    }
    Ok(ended(&status))
}

async fn apply_files(options: &Options, apply: &Apply) -> Result<Ended> {
    let (all, db) = (read(&apply.files.folder)?, database(&options.target).await?);
    let migrate = apply.options();
    let status = look(&db, &all, &migrate).await?;
    let waits = |file: &&FileStatus| {
        file.state == FileState::Pending || (apply.rerun_started && file.state == FileState::Started)
    };
    let steps = apply.steps.map_or(usize::MAX, |steps| steps as usize);
    let pending: Vec<&FileStatus> = status.files.iter().filter(waits).take(steps).collect();
    if pending.is_empty() && status.problems.is_empty() {
        show::print("Every file is applied.\n");
        return Ok(Ended::Well);
    }
    if status.problems.is_empty() && !apply.yes && !agreed(&pending).await? {
        show::print("Nothing was applied.\n");
        return Ok(Ended::Warned);
    }
    if !status.problems.is_empty() {
        // It says so in the library's words, and applies nothing.
        return match db.migrate_with(&all, migrate).await {
            Ok(_) => Ok(Ended::Well),
            Err(error) => failed(error),
        };
    }
    // One at a time, so that each is told when it is done.
    for file in pending {
        match db.migrate_with(&all, migrate.clone().up_to(file.version)).await {
            Ok(report) => show::print(&screen::report(&report)),
            Err(error) => return failed(error),
        }
    }
    Ok(Ended::Well)
}

/// A file that was refused, or that failed and was rolled back, is wrong now; whether it was applied may also be unknown.
fn failed(error: plimsoll::Error) -> Result<Ended> {
    if error.outcome() == Outcome::Unknown {
        return Err(error.into());
    }
    crate::tell_error(&anyhow::Error::msg(screen::in_options(&error.to_string())));
    Ok(Ended::Badly)
}

fn files(count: usize) -> String {
    counted(count as u64, "file", "files")
}

/// Asks at the terminal.
async fn agreed(pending: &[&FileStatus]) -> Result<bool> {
    if !prompt::is_there() {
        bail!(
            "{} would be applied, and there is no terminal to ask at: say --yes, or look with `plimsoll migrate plan`",
            files(pending.len())
        );
    }
    for file in pending {
        show::print(&format!("  {}\n", file.file));
    }
    show::print(&format!("Apply {}? [y/N] ", files(pending.len())));
    let answer = prompt::line().await?.unwrap_or_default();
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
