//! Whether a pooler stands between, and the console of a PgBouncer.
//!
//! A pooler gives its clients numbers of its own, so the backend that answers then has another pid than the connection was told. That
//! is the proof; the usual port of a pooler is a hint. PgBouncer's console is a database of its own, `pgbouncer`, at the same
//! address; a role that PgBouncer's configuration does not name in `admin_users` or `stats_users` is not let in.

use super::Options;
use crate::connect;
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::Subject;
use plimsoll_inspect::checks::run::NotAsked;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage};

const CONSOLE: &str = "pgbouncer";

/// What stands between.
#[derive(Debug)]
pub(super) enum Pooler {
    /// Nothing that shows.
    None,
    /// A PgBouncer, with its console.
    Open { console: DirectConnection, version: String },
    /// A pooler whose console is not to be had, and why.
    Closed { why: String },
}

impl Pooler {
    pub(super) fn console(&self) -> Option<&Client> {
        match self {
            Pooler::Open { console, .. } => Some(console.client()),
            _ => None,
        }
    }

    /// Why its console is not to be had.
    pub(super) fn missing(&self) -> Option<&str> {
        match self {
            Pooler::Closed { why } => Some(why),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<String> {
        match self {
            Pooler::None => None,
            Pooler::Open { version, .. } => Some(version.clone()),
            Pooler::Closed { .. } => Some("a pooler".to_owned()),
        }
    }
}

/// Finds out what stands between, and opens its console.
pub(super) async fn find(
    options: &Options,
    connection: &DirectConnection,
    subject: &Subject,
    within: Duration,
) -> Pooler {
    let shows = subject.pid != connection.pid();
    let url = match (&options.pooler, shows) {
        (Some(url), _) => Some(url.as_str()),
        (None, true) => options.url(),
        (None, false) => return Pooler::None,
    };
    // A console that does not answer must not take the time of the checks.
    let within = within.min(Duration::from_secs(3));
    match timeout(within, open(url, within)).await {
        Ok(Ok((console, version))) => Pooler::Open { console, version },
        Ok(Err(why)) => Pooler::Closed { why },
        Err(_) => Pooler::Closed { why: format!("its console gave no answer within {} s", within.as_secs()) },
    }
}

async fn open(url: Option<&str>, within: Duration) -> Result<(DirectConnection, String), String> {
    let closed = |why: String| format!("the pooler's console is not to be had (--pooler names one): {why}");
    let settings = connect::settings(url).map_err(|error| closed(error.to_string()))?;
    let settings = settings.dbname(CONSOLE).options("");
    let console = connect::connect(settings, "doctor", Some(within)).await;
    let console = console.map_err(|error| closed(format!("{error:#}")))?;
    let answer = console.client().simple_query("SHOW VERSION").await;
    let answer = answer.map_err(|error| closed(error.to_string()))?;
    let version = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    match version.filter(|version| version.starts_with("PgBouncer")) {
        Some(version) => Ok((console, version.to_owned())),
        None => Err(closed("what answers is no console of a PgBouncer".to_owned())),
    }
}

/// Why the first question was not answered, with what a pooler has to do with it.
pub(super) fn explained(error: NotAsked, connection: &DirectConnection) -> anyhow::Error {
    let host = connection.host();
    match &error {
        NotAsked::Refused(cause) if cause.to_string().contains("unsupported") || is_console(cause) => {
            anyhow::anyhow!(
                "{host} answers as the console of a PgBouncer: name a database of the server, and the console by --pooler"
            )
        }
        NotAsked::Refused(cause) => match cause.as_db_error() {
            Some(said) => anyhow::anyhow!(
                "{host} refused the first question: {} ({})",
                said.message(),
                said.code().code()
            ),
            None => anyhow::anyhow!("the connection to {host} was lost at the first question: {cause}"),
        },
        _ => anyhow::Error::from(error),
    }
}

/// The console knows its own commands and no SQL.
fn is_console(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.message().contains("invalid command"))
}
