//! Where a command connects to, and how.

use anyhow::{Context, Result};
use clap::Args;
use plimsoll::{DirectConnection, Settings};
use std::time::Duration;

/// Where to connect to.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Target {
    /// The server, as a URL or as key=value pairs; without it the environment says (DATABASE_URL, PGHOST ..)
    #[arg(short = 'd', long = "url", value_name = "URL", global = true)]
    pub(crate) url: Option<String>,

    /// How long connecting may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) connect_timeout: u64,
}

impl Target {
    /// Where it leads, before it is checked.
    ///
    /// # Errors
    /// What says where cannot be read.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let settings = match &self.url {
            Some(url) => Settings::from_url(url.as_str()),
            None => Settings::from_env(),
        };
        settings.context("where to connect to is not clear")
    }

    /// The same, to another server.
    pub(crate) fn at(&self, url: &str) -> Self {
        Target { url: Some(url.to_owned()), ..self.clone() }
    }

    /// Connects; the session is called after the command.
    ///
    /// # Errors
    /// The settings are wrong, or the server cannot be reached or refuses.
    pub(crate) async fn connect(&self, command: &str) -> Result<DirectConnection> {
        let settings = match &self.url {
            Some(url) => Settings::from_url(url.as_str()),
            None => Settings::from_env(),
        };
        let plan =
            settings.and_then(|settings| settings.application_name(format!("plimsoll {command}")).check());
        let plan = plan.context("where to connect to is not clear")?;
        DirectConnection::connect(plan, Duration::from_secs(self.connect_timeout))
            .await
            .context("no connection to the server")
    }
}
