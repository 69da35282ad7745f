//! A program that commands talk to, in a folder of its own that is gone afterwards, on a free port. Nothing that the
//! environment says of databases reaches it.

use anyhow::{Context, Result, bail};
use plimsoll_embedded::Binaries;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A new PostgreSQL and its schema, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Variables that say where some database is, or how a service should be.
const OF_DATABASES: [&str; 7] = ["PG", "POSTGRES", "DATABASE", "FLEET", "AUTO_", "OPERATOR", "CURSOR"];

/// A program that runs.
pub struct Process {
    child: Child,
    folder: TempDir,
    name: String,
    first_screen: Vec<String>,
}

impl Process {
    /// Starts it with these variables, in which `{folder}` is its own folder, and waits until what it has printed is whole.
    ///
    /// # Errors
    /// When the program is not there, ends, or does not become ready.
    ///
    /// # Cancel safety
    /// Dropped, it is killed, and a PostgreSQL of its own ends with it.
    pub async fn start(
        program: &Path,
        variables: &[(&str, &str)],
        is_whole: impl Fn(&[String]) -> bool,
    ) -> Result<Self> {
        let name = program.file_name().unwrap_or(OsStr::new("program")).to_string_lossy().into_owned();
        let folder = tempfile::tempdir()?;
        // Started by root, PostgreSQL runs as another user, who has to pass through here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let log = folder.path().join(format!("{name}.log"));
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if is_of_databases(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        for (name, value) in variables {
            command.env(name, value.replace("{folder}", &folder.path().to_string_lossy()));
        }
        command.env_remove("RUST_LOG").current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run; `cargo build --bins` makes it", program.display()))?;
        let mut said = BufReader::new(child.stdout.take().context("its output cannot be read")?).lines();
        let mut first_screen = Vec::new();
        let reading = async {
            while !is_whole(&first_screen) {
                match said.next_line().await? {
                    Some(line) => first_screen.push(line),
                    None => bail!("it ended before it was ready"),
                }
            }
            Ok(())
        };
        let ready = tokio::time::timeout(PATIENCE, reading).await;
        if let Some(why) = match ready {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it was not ready after {} s", PATIENCE.as_secs())),
        } {
            bail!("{name} did not start: {why}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        // Nobody may be left to write to.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Ok(Process { child, folder, name, first_screen })
    }

    /// What it has printed until it was ready.
    #[must_use]
    pub fn first_screen(&self) -> &[String] {
        &self.first_screen
    }

    /// Its process id; 0 once it has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Its own folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with everything that it logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder().join(format!("{}.log", self.name))
    }

    /// Stops it as Ctrl-C would.
    ///
    /// # Errors
    /// When it did not end well.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT)?;
        }
        let name = self.name;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.with_context(|| format!("{name} does not stop"))??;
        self.folder.close()?;
        if !status.success() {
            bail!("{name} ended with {status}");
        }
        Ok(())
    }
}

fn is_of_databases(name: &str) -> bool {
    let is_ours = name.starts_with("PLIMSOLL") && !matches!(name, "PLIMSOLL_PG_BIN" | "PLIMSOLL_PG_VERSION");
    is_ours || OF_DATABASES.iter().any(|of| name.starts_with(of))
}

/// The path of this process, with the programs of this workspace and the database's own (`psql`) behind all others.
///
/// # Errors
/// When there is no PostgreSQL on this machine.
pub fn path_with(programs: &Path) -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let binaries = Binaries::find()?;
    let more = [programs, binaries.folder()].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(more);
    std::env::join_paths(folders)?.into_string().ok().context("PATH is not UTF-8")
}
