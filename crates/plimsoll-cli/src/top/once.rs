//! One screen as text or as JSON, for scripts.

use super::draw::text;
use super::look::Look;
use super::picture::whole;
use super::rows::{Branch, Waits, oldest, tree, waits};
use super::service::Pools;
use super::state::State;
use crate::show::{Output, rows};
use crate::{Ended, show};
use anyhow::Result;
use jiff::Timestamp;
use plimsoll::session_name::SessionName;
use plimsoll_inspect::numbers::Numbers;
use plimsoll_inspect::sessions::Session;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Screen<'a> {
    schema_version: u32,
    at: String,
    server: &'a Numbers,
    transactions_per_second: Option<f64>,
    oldest_transaction_seconds: Option<f64>,
    waits: Vec<Waits>,
    sessions: Vec<Row<'a>>,
    blocking: Vec<Blocked>,
    services: Vec<Service<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    session: &'a Session,
    /// As services on Plimsoll say it in the name of a session.
    instance: Option<&'a str>,
    request: Option<&'a str>,
    work: Option<&'a str>,
}

/// A session in the tree, in the order in which it is drawn.
#[derive(Debug, Serialize)]
struct Blocked {
    depth: usize,
    pid: i32,
    waiters: usize,
}

#[derive(Debug, Serialize)]
struct Service<'a> {
    name: &'a str,
    answer: Option<&'a Pools>,
    trouble: Option<&'a str>,
}

/// Prints it, with all sessions; as text as wide as the terminal is, and elsewhere 80 columns.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn print(state: &State, output: &Output, now: Timestamp) -> Result<Ended> {
    let as_text = || text(&whole(state, show::columns().max(NARROWEST), now));
    match &state.look {
        None => show::print(&as_text()),
        Some(look) => {
            let screen = screen(state, &look.what, now);
            output.print(&screen, |_| as_text(), || plain(&screen))?;
        }
    }
    let sees_all = state.look.as_ref().is_some_and(|look| look.what.numbers.sees_all);
    let all_answered = state.services.iter().all(|service| service.pools.is_some());
    Ok(if sees_all && all_answered { Ended::Well } else { Ended::Unknown })
}

/// A terminal that is narrower shows nothing of use.
const NARROWEST: usize = 40;

fn plain(screen: &Screen<'_>) -> String {
    let sessions = &[
        "pid",
        "user",
        "database",
        "application_name",
        "state",
        "wait",
        "state_seconds",
        "transaction_seconds",
        "query",
    ];
    rows(
        screen,
        &[
            ("/waits", &["event", "sessions"]),
            ("/blocking", &["depth", "pid", "waiters"]),
            ("/services", &["name", "trouble"]),
            ("/sessions", sessions),
        ],
    )
}

fn screen<'a>(state: &'a State, look: &'a Look, now: Timestamp) -> Screen<'a> {
    let oldest = oldest(&look.sessions, look.numbers.prepared_for());
    let blocked = |it: Branch<'_>| Blocked { depth: it.depth, pid: it.pid, waiters: it.waiters };
    let services = state.services.iter().map(|it| Service {
        name: &it.name,
        answer: it.pools.as_ref().map(|pools| &*pools.what),
        trouble: it.trouble.as_ref().map(|trouble| trouble.what.as_str()),
    });
    Screen {
        schema_version: 1,
        at: now.to_string(),
        server: &look.numbers,
        transactions_per_second: state.transactions_per_second,
        oldest_transaction_seconds: oldest.map(|(age, _)| age.as_secs_f64()),
        waits: waits(&look.sessions),
        sessions: state.rows().into_iter().map(Row::of).collect(),
        blocking: tree(&look.sessions).into_iter().map(blocked).collect(),
        services: services.collect(),
    }
}

impl<'a> Row<'a> {
    fn of(session: &'a Session) -> Self {
        let name = SessionName::parse(&session.application_name);
        Row {
            session,
            instance: name.map(|name| name.instance),
            request: name.and_then(|name| name.request),
            work: name.map(|name| name.work),
        }
    }
}
