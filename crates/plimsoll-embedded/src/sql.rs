//! The few administrative statements that this crate sends, on connections of its own.
//!
//! They go around every guard that the rest of the project puts on a connection, because this crate knows nothing of
//! the rest: it must be usable to test the rest. Each connection serves one call, and ends with it.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// A row as text, by column name; a NULL is left out.
pub type Row = BTreeMap<String, String>;

/// The longest that one administrative call may take. Copying a big template is the longest of them.
const LONGEST: Duration = Duration::from_secs(120);

/// Where, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Host {
    Socket(PathBuf),
    Tcp(String),
}

impl Target {
    /// Runs statements as one simple query. Dropped, it abandons the connection; the server notices by itself.
    pub(crate) async fn run(&self, database: &str, sql: &str, doing: &str) -> Result<Vec<Row>> {
        let connect_and_run = async {
            let client = self.connect(database).await?;
            client.simple_query(sql).await
        };
        match tokio::time::timeout(LONGEST, connect_and_run).await {
            Ok(Ok(messages)) => Ok(rows(&messages)),
            Ok(Err(error)) => Err(failure(doing, &error)),
            Err(_) => {
                Err(Error::Sql { doing: doing.to_owned(), problem: format!("no answer within {LONGEST:?}") })
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this crate is used to test the guarded connections, not by way of them"
    )]
    pub(crate) async fn connect(
        &self,
        database: &str,
    ) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config = Config::new();
        match &self.host {
            Host::Socket(folder) => config.host_path(folder),
            Host::Tcp(host) => config.host(host),
        };
        config.port(self.port).user(&self.user).dbname(database).connect_timeout(Duration::from_secs(5));
        config.application_name("plimsoll-embedded");
        if !self.password.is_empty() {
            config.password(&self.password);
        }
        let (client, connection) = config.connect(NoTls).await?;
        // Ends when the client is dropped, at the end of the one call.
        tokio::spawn(connection);
        Ok(client)
    }
}

pub(crate) fn rows(messages: &[SimpleQueryMessage]) -> Vec<Row> {
    messages.iter().filter_map(row).collect()
}

pub(crate) fn failure(doing: &str, error: &tokio_postgres::Error) -> Error {
    Error::Sql { doing: doing.to_owned(), problem: explain(error) }
}

fn row(message: &SimpleQueryMessage) -> Option<Row> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let named = row.columns().iter().enumerate();
    Some(named.filter_map(|(at, column)| Some((column.name().to_owned(), row.get(at)?.to_owned()))).collect())
}

/// tokio-postgres says "db error" and leaves the words to its source.
fn explain(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("the server said {}: {}", said.code().code(), said.message()),
        None => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(deeper) = cause {
                text = format!("{text}: {deeper}");
                cause = deeper.source();
            }
            text
        }
    }
}

/// An identifier, quoted.
pub(crate) fn name(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A literal, quoted so that neither `'` nor `\` ends it.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
