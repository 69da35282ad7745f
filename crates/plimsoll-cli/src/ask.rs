//! One question to the server, whose refusal ends nothing: it is told beside what was answered.

use anyhow::Result;
use plimsoll_inspect::Unreadable;
use plimsoll_inspect::checks::run::{NotAsked, QUESTION_LIMIT, long_question};
use plimsoll_inspect::checks::subject::literal;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Asks, and reads the answer; or tells why there is none.
///
/// # Errors
/// The connection is lost, or the server hangs: nothing else can be asked either.
pub(crate) async fn ask<T>(
    client: &Client,
    question: &str,
    read: impl Fn(&[SimpleQueryMessage]) -> Result<T, Unreadable>,
) -> Result<Result<T, String>> {
    ask_for(client, question, QUESTION_LIMIT, read).await
}

/// The same, for so long.
pub(crate) async fn ask_for<T>(
    client: &Client,
    question: &str,
    limit: Duration,
    read: impl Fn(&[SimpleQueryMessage]) -> Result<T, Unreadable>,
) -> Result<Result<T, String>> {
    match long_question(client, question, limit).await {
        Ok(answer) => Ok(Ok(read(&answer)?)),
        Err(NotAsked::Refused(error)) => match error.as_db_error() {
            Some(said) => Ok(Err(match *said.code() {
                SqlState::QUERY_CANCELED => format!("it took more than {} s", limit.as_secs_f64()),
                SqlState::LOCK_NOT_AVAILABLE => "another session holds a lock that it needs".to_owned(),
                _ => format!("{} ({})", said.message(), said.code().code()),
            })),
            None => Err(NotAsked::Refused(error).into()),
        },
        Err(other) => Err(other.into()),
    }
}

/// Whether there is such a table in this database.
///
/// # Errors
/// As [`ask`]; and what the server says where it refuses.
pub(crate) async fn is_there(client: &Client, name: &str) -> Result<bool> {
    let name = literal(name);
    let question = format!(
        "SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'm', 'p', 't') \
           AND {name} IN (pg_catalog.quote_ident(c.relname), pg_catalog.format('%I.%I', n.nspname, c.relname)) LIMIT 1"
    );
    let count = |answer: &[SimpleQueryMessage]| {
        Ok(answer.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count())
    };
    ask(client, &question, count).await?.map(|rows| rows > 0).map_err(anyhow::Error::msg)
}
