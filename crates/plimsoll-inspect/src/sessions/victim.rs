//! Which sessions hold the others up, and what ending one costs.
//!
//! Ending a session in the middle of a pile only makes room for the next; the pile ends with its root. Where there are several
//! roots, the safest is the one whose end loses least: one that has written nothing before one that has, then the youngest
//! transaction, since it is the least work to do again.

use super::session::{Session, Sessions};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// A session at the root of a pile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Root {
    /// Its process id.
    pub pid: i32,
    /// Those that wait for it, directly or for one that waits for it.
    pub waiters: Vec<i32>,
}

/// The sessions that others wait for and that wait for none, the safest to end first.
#[must_use]
pub fn roots(sessions: &Sessions) -> Vec<Root> {
    let waits_for: HashMap<i32, &[i32]> =
        sessions.sessions.iter().map(|session| (session.pid, session.blockers.as_slice())).collect();
    let mut waiters: HashMap<i32, HashSet<i32>> = HashMap::new();
    for session in sessions.sessions.iter().filter(|session| !session.blockers.is_empty()) {
        let mut seen = HashSet::from([session.pid]);
        let mut next: Vec<i32> = session.blockers.clone();
        while let Some(pid) = next.pop() {
            if !seen.insert(pid) {
                continue;
            }
            match waits_for.get(&pid) {
                Some(blockers) if !blockers.is_empty() => next.extend_from_slice(blockers),
                _ => {
                    waiters.entry(pid).or_default().insert(session.pid);
                }
            }
        }
    }
    let mut roots: Vec<Root> = waiters
        .into_iter()
        .map(|(pid, waiters)| {
            let mut waiters: Vec<i32> = waiters.into_iter().collect();
            waiters.sort_unstable();
            Root { pid, waiters }
        })
        .collect();
    roots.sort_by_key(|root| (sessions.of(root.pid).map_or(Cost::UNKNOWN, Cost::of), root.pid));
    roots
}

/// What ending a session costs. The cheaper comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Something that was changed is undone.
    has_written: bool,
    /// So much work is to do again.
    work: Duration,
}

impl Cost {
    const UNKNOWN: Cost = Cost { has_written: true, work: Duration::MAX };

    /// Of this session.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        Cost { has_written: session.has_written, work: session.transaction_for.unwrap_or_default() }
    }
}

/// What is lost with a session, in words. `terminates` says that the session itself ends, not only its statement.
#[must_use]
pub fn loss(session: &Session, terminates: bool) -> String {
    let age =
        session.transaction_for.map_or(String::new(), |span| format!(" of {}", crate::span::rough(span)));
    let changed = match (session.has_written, &session.written) {
        (true, Some(tables)) => format!("its transaction{age} is rolled back, with changes to {tables}"),
        (true, None) => format!("its transaction{age} is rolled back, with changes"),
        (false, _) if session.transaction_for.is_some() => {
            format!("its transaction{age} is rolled back, which has changed nothing")
        }
        (false, _) => "no transaction".to_owned(),
    };
    if terminates {
        format!("{changed}; the session ends, and with it temporary tables and session locks")
    } else {
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(pid: i32, blockers: &[i32], has_written: bool, seconds: u64) -> Session {
        Session {
            pid,
            blockers: blockers.to_vec(),
            has_written,
            transaction_for: Some(Duration::from_secs(seconds)),
            ..Session::default()
        }
    }

    #[test]
    fn the_root_that_costs_least_comes_first() {
        let sessions = Sessions {
            sessions: vec![
                session(1, &[], true, 5),
                session(2, &[1, 3], false, 5),
                session(3, &[], false, 90),
                session(4, &[2], false, 1),
                // A circle has no root: the server breaks it as a deadlock.
                session(5, &[6], false, 1),
                session(6, &[5], false, 1),
            ],
            sees_all: true,
        };
        let expected = [Root { pid: 3, waiters: vec![2, 4] }, Root { pid: 1, waiters: vec![2, 4] }];
        assert_eq!(roots(&sessions), expected);
    }

    #[test]
    fn what_is_lost_is_said() {
        let mut it = session(1, &[], true, 90);
        it.written = Some("orders".to_owned());
        assert_eq!(loss(&it, false), "its transaction of 90 s is rolled back, with changes to orders");
        it.has_written = false;
        assert_eq!(loss(&it, false), "its transaction of 90 s is rolled back, which has changed nothing");
        it.transaction_for = None;
        assert_eq!(
            loss(&it, true),
            "no transaction; the session ends, and with it temporary tables and session locks"
        );
    }
}
