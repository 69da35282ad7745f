//! One question to the server, and why it was not answered, in words.

use anyhow::{Context, Result};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking, NotAsked, QUESTION_LIMIT};
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

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
                write!(f, "it took more than {}", plimsoll_inspect::layers::in_words(*limit))
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
    let error = match run::question(connection.client(), question, &Asking::default(), until).await {
        Ok(answer) => return Ok(Ok(answer)),
        Err(NotAsked::Refused(error)) => error,
        Err(other) => return Err(other.into()),
    };
    let Some(said) = error.as_db_error() else {
        return Err(error).context("the connection was lost");
    };
    let refused = match *said.code() {
        SqlState::LOCK_NOT_AVAILABLE => Refused::Locked,
        SqlState::QUERY_CANCELED => Refused::TooLong(limit),
        SqlState::INSUFFICIENT_PRIVILEGE => Refused::NotAllowed(said.message().to_owned()),
        _ => Refused::Other(format!("{} ({})", said.message(), said.code().code())),
    };
    // The transaction of the question is still open, and does nothing more.
    let ended = timeout_at(Instant::now() + GRACE, connection.client().simple_query("ROLLBACK")).await;
    ended.context("the server did not answer a rollback")?.context("the connection was lost")?;
    Ok(Err(refused))
}
