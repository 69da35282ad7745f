//! Where a command connects to, and how: as `psql` does.
//!
//! What says where is read by the library ([`Settings::from_libpq`]). Here are the options of the command line, and the words of
//! what goes wrong: one line, whatever it is.

use crate::options::time::between;
use crate::show::tell;
use anyhow::{Result, anyhow, bail};
use clap::Args;
use plimsoll::secret::Secret;
use plimsoll::settings::{SettingsError, table};
use plimsoll::{DirectConnection, Settings};
use std::time::Duration;

/// What `--help` says of connecting, below the options.
pub(crate) const HELP: &str = "\
Connecting, as psql does:
  The URL (or key=value pairs) wins, then the service that it or PGSERVICE names (~/.pg_service.conf), then PGHOST,
  PGPORT, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE and their kin, then the usual socket and your own name. The
  password may be in ~/.pgpass. Where neither a URL nor a variable says where, DATABASE_URL does.
  Unlike psql: a server beyond this machine has to prove who it is (sslmode=verify-full). Where its authority is not
  one of the system's, name it by sslrootcert=<file> or put it into ~/.postgresql/root.crt; sslmode=require encrypts,
  and asks who answers only where one of these files is there.";

/// Where to connect to, as the options say it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Connecting {
    /// The server, as a URL, as key=value pairs, or as the name of a database; without it the environment says, as it does for psql
    #[arg(
        short = 'd',
        long = "database",
        alias = "url",
        value_name = "URL",
        global = true,
        help_heading = "Connecting"
    )]
    pub(crate) database: Option<String>,

    /// How long connecting may take; 10s unless PGCONNECT_TIMEOUT or the URL says otherwise
    #[arg(long, value_name = "TIME", value_parser = between(SHORTEST, LONGEST), global = true, help_heading = "Connecting")]
    pub(crate) connect_timeout: Option<Duration>,
}

/// The bounds of what connecting may take.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(600);

/// Where to connect to, as an argument or as the options say it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Target {
    /// The server, as with --database
    #[arg(value_name = "URL")]
    place: Option<String>,

    #[command(flatten)]
    connecting: Connecting,

    /// Connecting may take no longer than this, whatever was said.
    #[arg(skip)]
    at_most: Option<Duration>,
}

impl Target {
    /// For a command whose arguments are of several kinds.
    pub(crate) fn new(place: Option<String>, connecting: Connecting) -> Self {
        Target { place, connecting, at_most: None }
    }

    /// For a command that takes the server among other words; `others` says what they are.
    ///
    /// # Errors
    /// Several were named.
    pub(crate) fn among<'a>(
        mut servers: impl Iterator<Item = &'a str>,
        connecting: &Connecting,
        others: &str,
    ) -> Result<Self> {
        let place = servers.next().map(str::to_owned);
        match servers.next() {
            Some(_) => bail!("one server at a time, and {others}"),
            None => Ok(Target::new(place, connecting.clone())),
        }
    }

    /// Connects; the session is called after the command.
    ///
    /// # Errors
    /// The settings are wrong, or the server cannot be reached or refuses.
    pub(crate) async fn connect(&self, command: &str) -> Result<DirectConnection> {
        connect(self.settings()?, command, self.at_most.unwrap_or(Duration::MAX)).await
    }

    /// Where it leads, before it is checked.
    ///
    /// # Errors
    /// What says where cannot be read, or says it twice.
    pub(crate) fn settings(&self) -> Result<Settings> {
        if self.place.is_some() && self.connecting.database.is_some() {
            bail!("the server is named twice: the argument [URL] cannot be used with --database");
        }
        let settings = settings(self.url())?;
        Ok(match self.connecting.connect_timeout {
            Some(time) => settings.connect_timeout(time),
            None => settings,
        })
    }

    /// The server that was named.
    pub(crate) fn url(&self) -> Option<&str> {
        self.place.as_deref().or(self.connecting.database.as_deref())
    }

    /// The same, to another server.
    pub(crate) fn at(&self, url: &str) -> Self {
        let connecting = Connecting { database: None, ..self.connecting.clone() };
        Target { place: Some(url.to_owned()), connecting, at_most: self.at_most }
    }

    /// The same, in this time at most.
    pub(crate) fn within(&self, at_most: Duration) -> Self {
        Target { at_most: Some(at_most), ..self.clone() }
    }
}

/// What this connection string and the environment say.
pub(crate) fn settings(url: Option<&str>) -> Result<Settings> {
    let url = url.map(Secret::from);
    let settings = Settings::from_libpq(url.as_ref(), |variable| std::env::var(variable).ok());
    settings.map_err(|error| not_clear(&error))
}

/// Connects, within what the settings say and at most this time.
///
/// # Errors
/// As [`Target::connect`].
pub(crate) async fn connect(
    settings: Settings,
    command: &str,
    at_most: Duration,
) -> Result<DirectConnection> {
    let is_named = table()
        .iter()
        .any(|definition| definition.name == "application_name" && definition.said(&settings).is_some());
    let settings = if is_named { settings } else { settings.application_name(format!("plimsoll {command}")) };
    let plan = settings.check_direct().map_err(|error| not_clear(&error))?;
    let within = plan.connect_timeout().min(at_most);
    let connection = DirectConnection::connect(plan, within).await?;
    if let Some(warning) = connection.warning() {
        tell(&format!("warning: {warning}"));
    }
    Ok(connection)
}

/// Everything that is wrong, in one line.
fn not_clear(error: &SettingsError) -> anyhow::Error {
    let problems: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    anyhow!("where to connect to is not clear: {} ({})", problems.join("; "), error.code())
}
