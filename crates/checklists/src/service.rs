//! The service that the commands of the pages talk to: fleet, started as `make run` starts it, on a PostgreSQL of its own.
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

use crate::process::{self, Process};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Without these a command would talk to somebody else's database, or to nobody.
const NEEDED: [&str; 4] = ["FLEET_URL", "DEVICE_KEY", "TENANT_TOKEN", "DATABASE_URL"];

/// A service that runs.
pub struct Service {
    process: Process,
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
        let own = [("FLEET_LISTEN", "127.0.0.1:0"), ("FLEET_DATA", "{folder}/data")];
        let process = Process::start(program, &own, is_whole).await?;
        let mut variables = vec![("FLEET_LOG".to_owned(), process.log().display().to_string())];
        variables.extend(of_first_screen(process.first_screen()));
        for place in [".env.fleet", "data/.env.fleet"] {
            let text = std::fs::read_to_string(process.folder().join(place));
            variables.extend(text.map(|text| of_env_file(&text)).unwrap_or_default());
        }
        if let Some(missing) = NEEDED.iter().find(|needed| !variables.iter().any(|(name, _)| name == *needed))
        {
            let said = process.first_screen().join("\n");
            bail!("the service does not say what {missing} is; it said:\n{said}");
        }
        let programs = program.parent().context("the program is in no folder")?;
        variables.push(("PATH".to_owned(), process::path_with(programs)?));
        Ok(Service { process, variables })
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
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
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
