//! One look at the server, and how it is asked: on one connection, which is made anew when it was lost.
//!
//! A server that hangs is waited for until the limits of the question have passed; then the connection is given up, and a new one
//! is tried until one answers. Of the old one a question may go on for a moment, by its own limit, so there are two sessions at the
//! most.

use super::state::{Answer, Order};
use crate::connect::Target;
use crate::sessions::audit::Audit;
use anyhow::{Context, Result};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking, NotAsked};
use plimsoll_inspect::numbers::{NUMBERS, Numbers};
use plimsoll_inspect::sessions::stop::was_stopped;
use plimsoll_inspect::sessions::{SESSIONS, Sessions};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_postgres::error::SqlState;

/// How long the server may take to answer.
const LOOK_LIMIT: Duration = Duration::from_secs(6);

/// The server at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) sessions: Sessions,
    pub(super) numbers: Numbers,
}

/// Why there is no look.
#[derive(Debug)]
pub(super) struct NoLook {
    pub(super) why: String,
    /// The connection is of no use any more.
    is_lost: bool,
}

/// Asks for all of it, in one message, so that it is of one moment.
///
/// # Cancel safety
/// Dropping it leaves the question running for at most the limit that it brings.
pub(super) async fn look(connection: &DirectConnection) -> Result<Look, NoLook> {
    let question = format!("{};\n{NUMBERS}", SESSIONS.trim_end());
    let until = Instant::now() + LOOK_LIMIT;
    let answer = run::question(connection.client(), &question, &Asking::default(), until).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(NotAsked::Refused(error)) => return Err(refused(&error)),
        Err(error) => return Err(NoLook { why: error.to_string(), is_lost: true }),
    };
    let unreadable = |error: plimsoll_inspect::Unreadable| NoLook { why: error.to_string(), is_lost: false };
    let numbers = Numbers::read(&answer).map_err(unreadable)?.unwrap_or_default();
    let mut sessions = Sessions::read(&answer).map_err(unreadable)?;
    sessions.sees_all = numbers.sees_all;
    Ok(Look { sessions, numbers })
}

/// What the server said against it.
fn refused(error: &tokio_postgres::Error) -> NoLook {
    let Some(said) = error.as_db_error() else {
        return NoLook { why: format!("the connection was lost: {error}"), is_lost: true };
    };
    let why = match *said.code() {
        SqlState::LOCK_NOT_AVAILABLE => {
            "a table of the catalog is locked by another session, so the sessions cannot be listed".to_owned()
        }
        SqlState::QUERY_CANCELED => "the server took too long to list the sessions".to_owned(),
        _ => format!("{} ({})", said.message(), said.code().code()),
    };
    NoLook { why, is_lost: false }
}

/// Asks again and again, and stops what it is told to, until the reader of the answers is gone.
pub(super) async fn ask(
    mut connection: Option<DirectConnection>,
    target: Target,
    every: Duration,
    mut orders: mpsc::Receiver<Order>,
    answers: mpsc::Sender<Answer>,
    mut audit: Audit,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let order = tokio::select! {
            _ = ticks.tick() => None,
            order = orders.recv() => match order {
                Some(order) => Some(order),
                None => return,
            },
        };
        let answer = match (&connection, order) {
            (None, order) => match target.connect("top").await {
                Ok(made) => {
                    connection = Some(made);
                    ticks.reset_immediately();
                    order.map(|order| not_told(&order, "the connection was lost before it was told"))
                }
                Err(error) => Some(match order {
                    Some(order) => not_told(&order, &format!("{error:#}")),
                    None => Answer::Trouble(format!("{error:#}")),
                }),
            },
            (Some(open), Some(order)) => {
                let result = stop(open, &order, &mut audit).await.map_err(|error| format!("{error:#}"));
                ticks.reset_immediately();
                Some(Answer::Told(Box::new(order), result))
            }
            (Some(open), None) => Some(match look(open).await {
                Ok(look) => Answer::Looked(Box::new(look)),
                Err(NoLook { why, is_lost }) => {
                    if is_lost {
                        connection = None;
                    }
                    Answer::Trouble(why)
                }
            }),
        };
        if let Some(answer) = answer
            && answers.send(answer).await.is_err()
        {
            return;
        }
    }
}

fn not_told(order: &Order, why: &str) -> Answer {
    Answer::Told(Box::new(order.clone()), Err(why.to_owned()))
}

/// Tells a session to stop; false if it has ended or does something else by now.
async fn stop(connection: &DirectConnection, order: &Order, audit: &mut Audit) -> Result<bool> {
    let why = "asked for in plimsoll top";
    let statement = order.stop.statement(&order.session, why);
    let answer = timeout(LOOK_LIMIT, connection.client().simple_query(&statement)).await;
    let answer = answer.context("the server did not answer in time; it may have been told")?.context(
        "this role may not stop it (a superuser's session only a superuser; else GRANT pg_signal_backend)",
    )?;
    let was_told = was_stopped(&answer)?;
    let result = if was_told { "told to stop" } else { "not stopped: it had ended, or did something else" };
    audit.add(&order.session, order.stop.function(), why, &order.lost, result)?;
    Ok(was_told)
}
