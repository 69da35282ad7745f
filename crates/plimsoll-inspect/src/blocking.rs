//! Who waits for a lock, and who holds it.
//!
//! Two questions. [`LOCK_WAITS`] only counts and costs the server little, so it may be asked each second; [`BLOCKING`] finds
//! the sessions and is asked when there is something to find, because it locks the server's lock table for a moment. It
//! brings limits of its own: it gives up after [`LIMIT`], and after a tenth of a second of waiting for a lock itself.
//!
//! The verdict is [`Blocking::piles`]: which sessions hang on which, and which one stands at the root. Ending the root ends
//! the pile; ending another session of it only makes room for the next.
//!
//! A role without `pg_read_all_stats` sees of other roles' sessions only pid, user and application name. It sees neither
//! that they wait nor in which state they are. It does see who blocks its own sessions, since `pg_blocking_pids` and
//! `pg_locks` are open to everybody. [`Blocking::sees_all`] says which of the two it is.

use crate::answer::{Row, Unreadable, rows};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// Asks how many sessions of this database wait for a lock, and what those wait for that work. The answer is read by
/// [`lock_waits`] and [`wait_events`].
pub const LOCK_WAITS: &str = include_str!("sql/lock_waits.sql");

/// Asks who waits for a lock in this database, and who holds it. The answer is read by [`Blocking::read`]. The limits hold
/// for this one message, since several statements in one message are one transaction. Tables are named with their schema, whatever the
/// session's search_path is.
pub const BLOCKING: &str = concat!(
    "SET LOCAL statement_timeout = 300; SET LOCAL lock_timeout = 100; SET LOCAL search_path = '';\n",
    include_str!("sql/blocking.sql")
);

/// The longest that the server works on [`BLOCKING`].
pub const LIMIT: Duration = Duration::from_millis(300);

/// How many sessions wait for a lock, by the answer to [`LOCK_WAITS`]. `None` if that question is not in the answer.
///
/// # Errors
/// The answer is not one to this question.
pub fn lock_waits(answer: &[SimpleQueryMessage]) -> Result<Option<u64>, Unreadable> {
    match rows(answer).find(|row| row.has("lock_waits")) {
        Some(row) => row.number("lock_waits"),
        None => Ok(None),
    }
}

/// For what active sessions wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitEvent {
    /// The kind, in the server's words: `Lock`, `LWLock`, `IO`, `Client`, `IPC`, `Timeout`; `CPU` for those that wait for
    /// nothing.
    pub kind: String,
    /// The event, in the server's words: `transactionid`, `DataFileRead`; empty for those that wait for nothing.
    pub event: String,
    /// How many sessions.
    pub sessions: u64,
}

/// What the active sessions of this database wait for, by the answer to [`LOCK_WAITS`], the most frequent first and at most
/// sixteen; the session that asked is not among them. A role without `pg_read_all_stats` sees only its own sessions.
///
/// # Errors
/// The answer is not one to this question.
pub fn wait_events(answer: &[SimpleQueryMessage]) -> Result<Vec<WaitEvent>, Unreadable> {
    let Some(row) = rows(answer).find(|row| row.has("wait_events")) else { return Ok(Vec::new()) };
    let text = row.text("wait_events")?.unwrap_or_default();
    Ok(text.split(' ').filter_map(wait_event).collect())
}

/// Reads `Lock/transactionid=3`, or `=3` for sessions that wait for nothing.
fn wait_event(text: &str) -> Option<WaitEvent> {
    let (event, sessions) = text.rsplit_once('=')?;
    let (kind, event) = event.split_once('/').unwrap_or(("CPU", ""));
    Some(WaitEvent { kind: kind.to_owned(), event: event.to_owned(), sessions: sessions.parse().ok()? })
}

/// Everything that waits or blocks at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Blocking {
    /// The sessions that wait or block, at most 256: those that block without waiting come first.
    pub sessions: Vec<Session>,
    /// How many sessions wait, those that are not in the list included.
    pub lock_waits: u64,
    /// Whether this role sees the sessions of other roles. If not, there may be more, and of some only the name is known.
    pub sees_all: bool,
}

/// A session that waits for a lock or holds one for which another waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Session {
    /// The process id of its backend; 0 stands for a prepared transaction, which has no session.
    pub pid: i32,
    /// As the session has set it.
    pub application_name: String,
    /// The role as which it logged in.
    pub user: Option<String>,
    /// The address of its client, or `local`; `None` if it is hidden.
    pub client: Option<String>,
    /// What it does, in the server's words: `active`, `idle in transaction`; `None` if it is hidden.
    pub state: Option<String>,
    /// For how long it has been in that state.
    pub state_for: Option<Duration>,
    /// How long ago its transaction began.
    pub transaction_for: Option<Duration>,
    /// Its present or last statement, as it was sent: it may hold constants that must not be published. At most 1,024
    /// characters.
    pub query: Option<String>,
    /// For what it waits, if it does.
    pub wait: Option<Wait>,
}

/// What a session waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Wait {
    /// The kind of lock, in the server's words: `relation`, `transactionid` and `tuple` (both mean a row), `advisory`.
    pub lock_type: Option<String>,
    /// The mode that it asks for: `ShareLock`, `AccessExclusiveLock`.
    pub mode: Option<String>,
    /// The table, or the key of an advisory lock.
    pub object: Option<String>,
    /// For how long it has waited.
    pub waited: Option<Duration>,
    /// Which sessions it waits for, those that are before it in the queue included; at most 64. None where so many wait
    /// that the server was not asked for each.
    pub blockers: Vec<i32>,
}

/// Sessions that hang together: each waits for another one of them, or blocks one.
#[derive(Clone, Debug, PartialEq)]
pub struct Pile<'a> {
    /// Those that wait for no lock and on which all others hang. None in a circle, which the server breaks as a deadlock.
    pub roots: Vec<&'a Session>,
    /// Those that wait, the one that has waited longest first.
    pub waiters: Vec<&'a Session>,
}

impl Blocking {
    /// Reads the answer to [`BLOCKING`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut blocking = Blocking::default();
        for row in rows(answer).filter(|row| row.has("blockers")) {
            blocking.lock_waits = row.number("lock_waits")?.unwrap_or_default();
            blocking.sees_all = row.flag("sees_all")?;
            blocking.sessions.push(Session::read(row)?);
        }
        Ok(blocking)
    }

    /// The piles, the one with the most waiters first.
    #[must_use]
    pub fn piles(&self) -> Vec<Pile<'_>> {
        let mut groups = Groups::of(self);
        let mut piles: HashMap<usize, Pile<'_>> = HashMap::new();
        for (index, session) in self.sessions.iter().enumerate() {
            let pile = piles
                .entry(groups.root(index))
                .or_insert_with(|| Pile { roots: Vec::new(), waiters: Vec::new() });
            let side = if session.wait.is_some() { &mut pile.waiters } else { &mut pile.roots };
            side.push(session);
        }
        let mut piles: Vec<_> = piles.into_values().filter(|pile| !pile.waiters.is_empty()).collect();
        for pile in &mut piles {
            pile.waiters.sort_by_key(|session| (std::cmp::Reverse(session.waited()), session.pid));
        }
        piles.sort_by_key(|pile| {
            (std::cmp::Reverse(pile.waiters.len()), pile.waiters.first().map(|waiter| waiter.pid))
        });
        piles
    }
}

impl Blocking {
    /// The sessions that wait for this one: for a lock of its own, or for a session that does.
    #[must_use]
    pub fn waiting_for(&self, pid: i32) -> Vec<&Session> {
        let mut reached = vec![pid];
        let mut waiting: Vec<&Session> = Vec::new();
        while let Some(blocker) = reached.pop() {
            for session in &self.sessions {
                let waits = session.wait.as_ref().is_some_and(|wait| wait.blockers.contains(&blocker));
                if waits && session.pid != pid && !waiting.iter().any(|known| known.pid == session.pid) {
                    reached.push(session.pid);
                    waiting.push(session);
                }
            }
        }
        waiting
    }
}

impl Session {
    fn read(row: Row<'_>) -> Result<Self, Unreadable> {
        let owned = |column| row.text(column).map(|text| text.map(str::to_owned));
        let wait = match row.text("blockers")? {
            None => None,
            Some(pids) => Some(Wait {
                lock_type: owned("lock_type")?,
                mode: owned("lock_mode")?,
                object: owned("lock_object")?,
                waited: seconds(row, "wait_seconds")?,
                blockers: pids
                    .trim_matches(['{', '}'])
                    .split(',')
                    .filter_map(|pid| pid.parse().ok())
                    .collect(),
            }),
        };
        Ok(Session {
            pid: row.number("pid")?.unwrap_or_default(),
            application_name: owned("application_name")?.unwrap_or_default(),
            user: owned("user_name")?,
            client: owned("client")?,
            state: owned("state")?,
            state_for: seconds(row, "state_seconds")?,
            transaction_for: seconds(row, "transaction_seconds")?,
            query: owned("query")?,
            wait,
        })
    }

    /// For how long it has waited for a lock.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.wait.as_ref().and_then(|wait| wait.waited).unwrap_or_default()
    }
}

/// An age; clocks that are set back make none negative.
fn seconds(row: Row<'_>, column: &'static str) -> Result<Option<Duration>, Unreadable> {
    let age: Option<f64> = row.number(column)?;
    Ok(age.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

impl fmt::Display for Session {
    /// `pid 3390 (fleet-1 nightly report, user fleet, 10.0.0.7), idle in transaction for 48 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        write!(f, "pid {} (", self.pid)?;
        if !self.application_name.is_empty() {
            write!(f, "{}, ", self.application_name)?;
        }
        write!(f, "user {}", self.user.as_deref().unwrap_or("unknown"))?;
        if let Some(client) = &self.client {
            write!(f, ", {client}")?;
        }
        match (&self.state, self.state_for) {
            (Some(state), Some(age)) => write!(f, "), {state} for {} s", age.as_secs()),
            (Some(state), None) => write!(f, "), {state}"),
            (None, _) => f.write_str("), in a state that this role may not see"),
        }
    }
}

impl fmt::Display for Pile<'_> {
    /// `pid 3390 (..), idle in transaction for 48 s, blocks 50 sessions; the longest waits for 12 s for ShareLock on devices`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.waiters.len();
        match self.roots.as_slice() {
            [] => write!(f, "{count} sessions wait for each other in a circle")?,
            [root] => write!(f, "{root}, blocks {count}")?,
            [root, others @ ..] => write!(f, "{root}, and {} more block {count}", others.len())?,
        }
        if !self.roots.is_empty() {
            f.write_str(if count == 1 { " session" } else { " sessions" })?;
        }
        let Some(first) = self.waiters.first() else { return Ok(()) };
        let Some(wait) = &first.wait else { return Ok(()) };
        write!(f, "; the longest waits for {} s", first.waited().as_secs())?;
        if let Some(mode) = &wait.mode {
            write!(f, " for {mode}")?;
        }
        match &wait.object {
            Some(object) => write!(f, " on {object}"),
            None => Ok(()),
        }
    }
}

/// Which sessions hang together, by their place in the list.
struct Groups(Vec<usize>);

impl Groups {
    fn of(blocking: &Blocking) -> Self {
        let places: HashMap<i32, usize> =
            blocking.sessions.iter().enumerate().map(|(place, session)| (session.pid, place)).collect();
        let mut groups = Groups((0..blocking.sessions.len()).collect());
        for (place, session) in blocking.sessions.iter().enumerate() {
            let blockers = session.wait.iter().flat_map(|wait| &wait.blockers);
            for blocker in blockers.filter_map(|pid| places.get(pid)) {
                groups.join(place, *blocker);
            }
        }
        groups
    }

    fn root(&mut self, mut place: usize) -> usize {
        while let Some(&above) = self.0.get(place).filter(|above| **above != place) {
            let higher = self.0.get(above).copied().unwrap_or(above);
            if let Some(entry) = self.0.get_mut(place) {
                *entry = higher;
            }
            place = above;
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(entry) = self.0.get_mut(one) {
            *entry = other;
        }
    }
}
