//! The service that the commands of the pages talk to: fleet, started as `make run` starts it, on a PostgreSQL of its own
//! in a folder that is gone afterwards, on a free port. Nothing that the environment says of databases reaches it.
//!
//! What a person would copy from its first screen is handed to the commands as variables:
//!
//! | variable | what it is |
//! |---|---|
//! | `FLEET_URL` | where it listens |
//! | `FLEET_LOG` | the file with everything that it logged |
//! | `DEVICE_KEY`, `TENANT_TOKEN` | the two secrets of the tenant `test`: for devices, and for people |
//! | `DATABASE_URL` | its database, as its own role |
//!
//! and every variable of the file `.env.fleet`, where the service writes one. The service's program and the database's own
//! (`psql`) are on the path.

use anyhow::{Context, Result, bail};
use plimsoll_embedded::Binaries;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A new PostgreSQL and its schema, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// Variables that say where some database is, or how a fleet should be.
const OF_DATABASES: [&str; 6] = ["PG", "POSTGRES", "DATABASE", "FLEET", "AUTO_", "OPERATOR"];

/// Without these a command would talk to somebody else's database, or to nobody.
const NEEDED: [&str; 4] = ["FLEET_URL", "DEVICE_KEY", "TENANT_TOKEN", "DATABASE_URL"];

/// A service that runs.
pub struct Service {
    process: Child,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Service {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When the program is not there, or does not become ready.
    ///
    /// # Cancel safety
    /// Dropped, the service is killed, and its PostgreSQL ends with it.
    pub async fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Started by root, PostgreSQL runs as another user, who has to pass through here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let log = folder.path().join("fleet.log");
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if is_of_databases(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command.env("FLEET_LISTEN", "127.0.0.1:0").env("FLEET_DATA", folder.path().join("data"));
        command.env_remove("RUST_LOG").current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?);
        let mut process = command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run; `cargo build --bins` makes it", program.display()))?;
        let mut said = BufReader::new(process.stdout.take().context("its output cannot be read")?).lines();
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
            bail!("the service did not start: {why}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        // Nobody may be left to write to.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let mut variables = vec![("FLEET_LOG".to_owned(), log.display().to_string())];
        variables.extend(of_first_screen(&first_screen));
        for place in [folder.path().join(".env.fleet"), folder.path().join("data/.env.fleet")] {
            variables
                .extend(std::fs::read_to_string(place).map(|text| of_env_file(&text)).unwrap_or_default());
        }
        if let Some(missing) = NEEDED.iter().find(|needed| !variables.iter().any(|(name, _)| name == *needed))
        {
            bail!("the service does not say what {missing} is; it said:\n{}", first_screen.join("\n"));
        }
        variables.push(("PATH".to_owned(), path_with([program.parent(), Some(Binaries::find()?.folder())])?));
        Ok(Service { process, folder, variables })
    }

    /// What the commands are handed.
    #[must_use]
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Stops it as Ctrl-C would.
    ///
    /// # Errors
    /// When it did not end well.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT)?;
        }
        let status =
            tokio::time::timeout(PATIENCE, self.process.wait()).await.context("it does not stop")??;
        self.folder.close()?;
        if !status.success() {
            bail!("the service ended with {status}");
        }
        Ok(())
    }
}

fn is_of_databases(name: &str) -> bool {
    let is_ours = name.starts_with("PLIMSOLL") && !matches!(name, "PLIMSOLL_PG_BIN" | "PLIMSOLL_PG_VERSION");
    is_ours || OF_DATABASES.iter().any(|of| name.starts_with(of))
}

/// The last thing that it prints when it is ready is how to look into the table.
fn is_whole(first_screen: &[String]) -> bool {
    first_screen.iter().any(|line| line.trim_start().starts_with("psql "))
}

/// What a person would copy from the first screen.
#[must_use]
pub fn of_first_screen(lines: &[String]) -> Vec<(String, String)> {
    let lines = || lines.iter().map(|line| line.trim());
    let behind =
        |words: &str| lines().find_map(|line| line.strip_prefix(words)).map(|rest| rest.trim().to_owned());
    let mut variables: Vec<(String, String)> = [
        ("FLEET_URL", behind("fleet listens on ")),
        ("DEVICE_KEY", behind("provisioning key ")),
        ("TENANT_TOKEN", behind("access token ")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect();
    variables.extend(lines().filter_map(|line| assignment(line.strip_prefix("export ")?)));
    variables
}

/// What a file of `NAME=value` says; `export`, quotes and remarks may be there.
#[must_use]
pub fn of_env_file(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| assignment(line.strip_prefix("export ").unwrap_or(line))).collect()
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let unquoted = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some((name.trim().to_owned(), unquoted.unwrap_or(value).to_owned()))
}

/// The path of this process, with these folders behind all others.
fn path_with(more: [Option<&Path>; 2]) -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(more.into_iter().flatten().map(PathBuf::from));
    std::env::join_paths(folders)?.into_string().ok().context("PATH is not UTF-8")
}
