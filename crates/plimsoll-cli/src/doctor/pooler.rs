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
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

const CONSOLE: &str = "pgbouncer";

/// How long a console may take to answer.
const CONSOLE_LIMIT: Duration = Duration::from_secs(3);

/// What stands between, or was named.
#[derive(Debug)]
pub(super) struct Pooler {
    /// The questions to the server go through it.
    is_between: bool,
    console: Console,
}

#[derive(Debug)]
enum Console {
    /// None is wanted.
    None,
    Open {
        connection: Box<DirectConnection>,
        version: String,
    },
    /// It is not to be had, and why.
    Closed {
        why: String,
    },
}

impl Pooler {
    pub(super) fn console(&self) -> Option<&Client> {
        match &self.console {
            Console::Open { connection, .. } => Some(connection.client()),
            _ => None,
        }
    }

    /// Why its console is not to be had.
    pub(super) fn missing(&self) -> Option<&str> {
        match &self.console {
            Console::Closed { why } => Some(why),
            _ => None,
        }
    }

    /// What the questions went through, if they did.
    pub(super) fn name(&self) -> Option<String> {
        let name = match &self.console {
            Console::Open { version, .. } => version.clone(),
            _ => "a pooler".to_owned(),
        };
        self.is_between.then_some(name)
    }
}

/// Finds out what stands between, and opens its console, or the one that was named.
pub(super) async fn find(
    options: &Options,
    connection: &DirectConnection,
    subject: &Subject,
    within: Duration,
) -> Pooler {
    let is_between = subject.pid != connection.pid();
    let url = match &options.pooler {
        Some(url) => Some(url.as_str()),
        None if is_between => options.target.url(),
        None => return Pooler { is_between, console: Console::None },
    };
    // A console that does not answer must not take the time of the checks.
    let within = within.min(CONSOLE_LIMIT);
    let console = match timeout(within, open(url, within)).await {
        Ok(Ok((connection, version))) => Console::Open { connection: Box::new(connection), version },
        Ok(Err(why)) => Console::Closed { why },
        Err(_) => {
            Console::Closed { why: format!("its console gave no answer within {} s", within.as_secs()) }
        }
    };
    Pooler { is_between, console }
}

async fn open(url: Option<&str>, within: Duration) -> Result<(DirectConnection, String), String> {
    let closed = |why: String| format!("the pooler's console is not to be had (--pooler names one): {why}");
    let settings = connect::settings(url).map_err(|error| closed(error.to_string()))?;
    let settings = settings.dbname(CONSOLE).options("");
    let console = connect::connect(settings, "doctor", within).await;
    let console = console.map_err(|error| closed(format!("{error:#}")))?;
    match version(&console).await {
        Some(version) => Ok((console, version)),
        None => Err(closed("what answers is no console of a PgBouncer".to_owned())),
    }
}

/// What a console says of itself; nothing if it is none.
async fn version(console: &DirectConnection) -> Option<String> {
    let answer = console.client().simple_query("SHOW VERSION").await.ok()?;
    let version = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    version.filter(|version| version.starts_with("PgBouncer")).map(str::to_owned)
}

/// Why the first question was not answered, with what a pooler has to do with it.
pub(super) fn explained(error: NotAsked, connection: &DirectConnection) -> anyhow::Error {
    let host = connection.host();
    let NotAsked::Refused(cause) = &error else { return anyhow::Error::from(error) };
    let Some(said) = cause.as_db_error() else {
        return anyhow::anyhow!("the connection to {host} was lost at the first question: {cause}");
    };
    let told = format!("{host} refused the first question: {} ({})", said.message(), said.code().code());
    // The console knows its own commands and no SQL, says no more than that, and hangs up.
    if said.code() == &SqlState::PROTOCOL_VIOLATION {
        return anyhow::anyhow!(
            "{told}; if this is the console of a PgBouncer, name a database of the server instead, and the console by --pooler"
        );
    }
    anyhow::Error::msg(told)
}
