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
use crate::connect::{Connecting, Target};
use crate::options::Consent;
use crate::options::time::between;
use crate::prompt::Said;
use crate::show::Output;
use crate::{Ended, prompt, show};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use plimsoll::migrate::{FileState, FileStatus, MigrateOptions, MigrationStatus, Migrations};
use plimsoll::{Database, Outcome};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options of `migrate`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    connecting: Connecting,

    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// How far each file has come
    Status(Look),
    /// What would be applied, with its statements; it applies nothing
    Plan(Look),
    /// Apply what is pending: shown first, done with --run or --yes
    Apply(Apply),
    /// What squawk says of the files that are pending
    Lint(Files),
}

#[derive(Clone, Debug, Args)]
struct Files {
    /// The folder with the files, or one file
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The server, as with --database
    #[arg(value_name = "URL")]
    place: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Look {
    #[command(flatten)]
    files: Files,

    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Debug, Args)]
struct Apply {
    #[command(flatten)]
    files: Files,

    #[command(flatten)]
    consent: Consent,

    /// Apply no more than so many files
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    steps: Option<u32>,

    /// How long a statement waits for a lock before its file is rolled back and tried again
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = between(SHORTEST, LONGEST))]
    lock_timeout: Duration,

    /// How often a file is tried again after that
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    retries: u32,

    /// The version up to which the schema existed before it had a history: recorded, not run
    #[arg(long, value_name = "VERSION")]
    baseline: Option<i64>,

    /// Run a file again that was begun and not finished
    #[arg(long)]
    rerun_started: bool,
}

/// The bounds of what a statement may wait for a lock.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(3_600);

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
    let (Action::Status(Look { files, .. })
    | Action::Plan(Look { files, .. })
    | Action::Lint(files)
    | Action::Apply(Apply { files, .. })) = &options.action;
    if let Action::Apply(Apply { consent, .. }) = &options.action
        && consent.run
        && !prompt::is_there()
    {
        bail!("--run asks first, and there is no terminal to ask at: say --yes to apply without being asked");
    }
    let all = read(&files.folder)?;
    let target = Target::new(files.place.clone(), options.connecting.clone());
    let db = database(&target).await?;
    match &options.action {
        Action::Status(Look { output, .. }) => status(&all, &db, output).await,
        Action::Plan(Look { output, .. }) => plan(&all, &db, output).await,
        Action::Apply(apply) => apply_files(&all, &db, apply).await,
        Action::Lint(files) => lint::run(&files.folder, &look(&db, &all, &MigrateOptions::default()).await?),
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

async fn status(all: &Migrations, db: &Database, output: &Output) -> Result<Ended> {
    let status = look(db, all, &MigrateOptions::default()).await?;
    let found = screen::Status::of(&status);
    output.print(&found, |_| screen::status(&status), || found.plain())?;
    Ok(ended(&status))
}

async fn plan(all: &Migrations, db: &Database, output: &Output) -> Result<Ended> {
    let status = look(db, all, &MigrateOptions::default()).await?;
    let found = screen::Status::of(&status);
    let texts = all.files().map_err(|problems| anyhow!(screen::in_options(&problems.join("; "))))?;
    output.print(&found, |_| screen::plan(&status, &texts), || found.plain())?;
    Ok(ended(&status))
}

async fn apply_files(all: &Migrations, db: &Database, apply: &Apply) -> Result<Ended> {
    let migrate = apply.options();
    let status = look(db, all, &migrate).await?;
    let waits = |file: &&FileStatus| {
        file.state == FileState::Pending || (apply.rerun_started && file.state == FileState::Started)
    };
    let steps = apply.steps.map_or(usize::MAX, |steps| steps as usize);
    let pending: Vec<&FileStatus> = status.files.iter().filter(waits).take(steps).collect();
    if pending.is_empty() && status.problems.is_empty() {
        show::print("Every file is applied.\n");
        return Ok(Ended::Well);
    }
    if status.problems.is_empty() {
        let is_agreed = match (apply.consent.does(), apply.consent.yes) {
            (false, _) => {
                show::print(&list(&pending));
                show::print(
                    "Nothing was applied: this was a look. --run asks and applies them, --yes does not ask.\n",
                );
                return Ok(Ended::Warned);
            }
            (true, true) => true,
            (true, false) => agreed(&pending).await?,
        };
        if !is_agreed {
            show::print("Nothing was applied.\n");
            return Ok(Ended::Warned);
        }
    }
    if !status.problems.is_empty() {
        // It says so in the library's words, and applies nothing.
        return match db.migrate_with(all, migrate).await {
            Ok(_) => Ok(Ended::Well),
            Err(error) => failed(error),
        };
    }
    // One at a time, so that each is told when it is done.
    for file in pending {
        match db.migrate_with(all, migrate.clone().up_to(file.version)).await {
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

fn list(pending: &[&FileStatus]) -> String {
    pending.iter().map(|file| format!("  {}\n", file.file)).collect()
}

/// Asks at the terminal.
async fn agreed(pending: &[&FileStatus]) -> Result<bool> {
    show::print(&list(pending));
    let files = counted(pending.len() as u64, "file", "files");
    let said = prompt::ask(&format!("Apply {files}?"), false).await?;
    Ok(said == Said::Yes)
}
