//! One question to the server, and why it was not answered, in words.

use crate::options::TableName;
use anyhow::{Context, Result};
use plimsoll::DirectConnection;
use plimsoll_inspect::Unreadable;
use plimsoll_inspect::checks::run::{self, Asking, NotAsked, QUESTION_LIMIT, long_question};
use plimsoll_inspect::checks::subject::literal;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// How much longer than the server's own limit an answer is waited for.
const GRACE: Duration = Duration::from_secs(2);

/// The server is there, and did not answer this question. The next one can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another session holds a lock that the question would have waited for.
    Locked,
    /// It would have taken longer than this.
    TooLong(Duration),
    /// The role may not.
    NotAllowed(String),
    /// Something else, as the server says it.
    Other(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Locked => f.write_str("another session holds a lock that it would have waited for"),
            Refused::TooLong(limit) => {
                write!(f, "it took more than {}", plimsoll_inspect::span::in_words(*limit))
            }
            Refused::NotAllowed(said) => write!(f, "this role may not: {said}"),
            Refused::Other(said) => f.write_str(said),
        }
    }
}

/// Asks one question. `limit` is the one that its text sets; without it, it is [`QUESTION_LIMIT`].
///
/// # Errors
/// The connection was lost, or the server hangs: there is nothing more to ask.
pub(crate) async fn ask(
    connection: &DirectConnection,
    question: &str,
    limit: Option<Duration>,
) -> Result<Result<Vec<SimpleQueryMessage>, Refused>> {
    let limit = limit.unwrap_or(QUESTION_LIMIT);
    let until = Instant::now() + limit + GRACE;
    told(run::question(connection.client(), question, &Asking::default(), until).await, limit)
}

/// The answer, or why the server gave none to this question.
fn told(
    asked: Result<Vec<SimpleQueryMessage>, NotAsked>,
    limit: Duration,
) -> Result<Result<Vec<SimpleQueryMessage>, Refused>> {
    let error = match asked {
        Ok(answer) => return Ok(Ok(answer)),
        Err(NotAsked::Refused(error)) => error,
        Err(other) => return Err(other.into()),
    };
    let Some(said) = error.as_db_error() else {
        return Err(error).context("the connection was lost");
    };
    Ok(Err(match *said.code() {
        SqlState::LOCK_NOT_AVAILABLE => Refused::Locked,
        SqlState::QUERY_CANCELED => Refused::TooLong(limit),
        SqlState::INSUFFICIENT_PRIVILEGE => Refused::NotAllowed(said.message().to_owned()),
        _ => Refused::Other(format!("{} ({})", said.message(), said.code().code())),
    }))
}

/// Asks, and reads the answer; or tells why there is none.
///
/// # Errors
/// The connection is lost, or the server hangs: nothing else can be asked either.
pub(crate) async fn read<T>(
    client: &Client,
    question: &str,
    read: impl Fn(&[SimpleQueryMessage]) -> Result<T, Unreadable>,
) -> Result<Result<T, String>> {
    read_for(client, question, QUESTION_LIMIT, read).await
}

/// The same, for so long.
pub(crate) async fn read_for<T>(
    client: &Client,
    question: &str,
    limit: Duration,
    read: impl Fn(&[SimpleQueryMessage]) -> Result<T, Unreadable>,
) -> Result<Result<T, String>> {
    Ok(match told(long_question(client, question, limit).await, limit)? {
        Ok(answer) => Ok(read(&answer)?),
        Err(Refused::Locked) => Err("another session holds a lock that it needs".to_owned()),
        Err(Refused::TooLong(limit)) => Err(format!("it took more than {} s", limit.as_secs_f64())),
        Err(Refused::NotAllowed(said)) => {
            Err(format!("{said} ({})", SqlState::INSUFFICIENT_PRIVILEGE.code()))
        }
        Err(Refused::Other(said)) => Err(said),
    })
}

/// Whether there is such a table in this database.
///
/// # Errors
/// As [`read`]; and what the server says where it refuses.
pub(crate) async fn is_there(client: &Client, table: &TableName) -> Result<bool> {
    let (schema, name) = (literal(table.schema().unwrap_or_default()), literal(table.name()));
    let question = format!(
        "SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'm', 'p', 't') AND c.relname = {name} AND {schema} IN ('', n.nspname) LIMIT 1"
    );
    let count = |answer: &[SimpleQueryMessage]| {
        Ok(answer.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count())
    };
    read(client, &question, count).await?.map(|rows| rows > 0).map_err(anyhow::Error::msg)
}
