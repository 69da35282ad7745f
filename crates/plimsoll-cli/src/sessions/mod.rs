//! `plimsoll long`, `cancel` and `terminate`: which sessions have been at it for long, and how one is stopped.
//!
//! | file | what it holds |
//! |---|---|
//! | [`choice`] | the options that say which sessions are meant |
//! | [`long`] | lists them |
//! | [`stop`] | cancels or terminates them: shown first, then done |
//! | [`audit`] | what was done, as a line in a file |

pub(crate) mod audit;
mod choice;
pub(crate) use choice::{pause, time};
pub mod long;
pub mod stop;

use crate::show;
use anyhow::{Context, Result};
use plimsoll::DirectConnection;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::layers::in_words;
use plimsoll_inspect::sessions::{SESSIONS, Session, Sessions};
use std::time::Duration;
use tokio::time::Instant;

/// How long the server may take to say who is there.
const LOOK_LIMIT: Duration = Duration::from_secs(6);

/// Who is there now.
pub(crate) async fn look(connection: &DirectConnection) -> Result<Sessions> {
    let until = Instant::now() + LOOK_LIMIT;
    let answer = run::question(connection.client(), SESSIONS, &Asking::default(), until).await;
    Ok(Sessions::read(&answer.context("the sessions cannot be listed")?)?)
}

/// A line for each session: who, what, since when, and for whom it waits.
fn line(session: &Session) -> String {
    let age = session.age().or(session.state_for).map_or("?".to_owned(), |age| in_words(rounded(age)));
    let who = [session.user.as_deref().unwrap_or("?"), session.database.as_deref().unwrap_or("-")].join("@");
    let mut what = session.state.clone().unwrap_or_else(|| "hidden".to_owned());
    if let Some(wait) = &session.wait {
        what = format!("{what}, {wait}");
    }
    if !session.blockers.is_empty() {
        let pids: Vec<String> = session.blockers.iter().map(i32::to_string).collect();
        what = format!("{what} of {}", pids.join(" "));
    }
    let name = match session.application_name.as_str() {
        "" => String::new(),
        name => format!(" {}", printable(name, 40)),
    };
    format!("{:>8} {age:>8}  {who}{name}: {what}", session.pid)
}

/// Whole seconds, where there are some.
pub(crate) fn rounded(span: Duration) -> Duration {
    if span.as_secs() >= 2 {
        Duration::from_secs(span.as_secs())
    } else {
        Duration::from_millis(span.as_millis() as u64 / 100 * 100)
    }
}

/// One line of at most so many characters, without anything that could move a terminal's cursor.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let clean = show::without_control(&words.join(" "));
    if clean.chars().count() <= most {
        clean
    } else {
        clean.chars().take(most.saturating_sub(2)).chain("..".chars()).collect()
    }
}
