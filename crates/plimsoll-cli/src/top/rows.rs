//! What is shown of the sessions: which rows in which order, what they wait for in sum, and who blocks whom. Pure rules.

use plimsoll_inspect::sessions::victim::roots;
use plimsoll_inspect::sessions::{Session, Sessions};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// By what the rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What has gone on for longest comes first, then what does nothing.
    #[default]
    Age,
    /// Those that wait for another session come first, then those that wait for the same beside each other.
    Wait,
    /// By role, then by application.
    User,
}

impl Sort {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Sort::Age => "age",
            Sort::Wait => "wait",
            Sort::User => "user",
        }
    }
}

/// The sessions that are shown, in their order. All that hold the text are, whatever the case of its letters.
pub(crate) fn rows<'a>(
    sessions: &'a Sessions,
    sort: Sort,
    filter: &str,
    hides_idle: bool,
) -> Vec<&'a Session> {
    let filter = filter.to_lowercase();
    let is_idle = |session: &Session| session.age().is_none() && session.state.is_some();
    let mut rows: Vec<&Session> = sessions
        .sessions
        .iter()
        .filter(|session| !(hides_idle && is_idle(session)))
        .filter(|session| filter.is_empty() || text_of(session).contains(&filter))
        .collect();
    let by_age = |session: &Session| (Reverse(session.age()), Reverse(session.state_for), session.pid);
    match sort {
        Sort::Age => rows.sort_by_key(|session| by_age(session)),
        Sort::Wait => rows.sort_by_cached_key(|session| {
            let wait = waits_now(session).map(str::to_owned);
            (session.blockers.is_empty(), wait.is_none(), wait, by_age(session))
        }),
        Sort::User => rows.sort_by_cached_key(|session| {
            (session.user.clone(), session.application_name.clone(), by_age(session))
        }),
    }
    rows
}

/// All that a filter looks at, in small letters.
fn text_of(session: &Session) -> String {
    let texts = [
        &session.user,
        &session.database,
        &session.client,
        &session.state,
        &session.kind,
        &session.wait,
        &session.query,
    ];
    let texts = texts.into_iter().flatten().map(String::as_str);
    let pid = session.pid.to_string();
    let all: Vec<&str> = texts.chain([session.application_name.as_str(), pid.as_str()]).collect();
    all.join("\n").to_lowercase()
}

/// What keeps a session from going on. One that has nothing to do waits for its client, which is no news.
pub(crate) fn waits_now(session: &Session) -> Option<&str> {
    session.wait.as_deref().filter(|_| session.is_active())
}

/// For what active sessions wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Waits {
    /// In the server's words, as `Lock/transactionid`; `CPU` for those that wait for nothing.
    pub(crate) event: String,
    pub(crate) sessions: usize,
}

/// What the active sessions wait for, the most frequent first.
pub(crate) fn waits(sessions: &Sessions) -> Vec<Waits> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for session in sessions.sessions.iter().filter(|session| session.is_active()) {
        *count.entry(waits_now(session).unwrap_or("CPU")).or_default() += 1;
    }
    let mut waits: Vec<Waits> =
        count.into_iter().map(|(event, sessions)| Waits { event: event.to_owned(), sessions }).collect();
    waits.sort_by_key(|waits| Reverse(waits.sessions));
    waits
}

/// How many sessions do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) active: usize,
    pub(crate) in_transaction: usize,
    pub(crate) idle: usize,
    pub(crate) hidden: usize,
}

pub(crate) fn counts(sessions: &Sessions) -> Counts {
    let mut counts = Counts::default();
    for session in &sessions.sessions {
        let of = match &session.state {
            _ if session.is_active() => &mut counts.active,
            _ if session.is_idle_in_transaction() => &mut counts.in_transaction,
            None if session.kind.is_none() => &mut counts.hidden,
            _ => &mut counts.idle,
        };
        *of += 1;
    }
    counts
}

/// How long ago the oldest transaction began, and in which session; 0 stands for a prepared transaction.
pub(crate) fn oldest(sessions: &Sessions, prepared: Option<Duration>) -> Option<(Duration, i32)> {
    let begun = sessions.sessions.iter().filter_map(|session| Some((session.transaction_for?, session.pid)));
    begun.chain(prepared.map(|age| (age, 0))).max()
}

/// A session in the tree of those that block and wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Branch<'a> {
    /// How far it lies below the root.
    pub(crate) depth: usize,
    pub(crate) pid: i32,
    /// `None` for a prepared transaction, and for one that is not in the list.
    pub(crate) session: Option<&'a Session>,
    /// How many wait for it, where it stands at the root.
    pub(crate) waiters: usize,
}

/// Each session below the one that it waits for, or below the first where it waits for several; the root with the most
/// waiters first. Those that wait in a circle, which the server breaks as a deadlock, come last.
pub(crate) fn tree(sessions: &Sessions) -> Vec<Branch<'_>> {
    let mut below: HashMap<i32, Vec<&Session>> = HashMap::new();
    let waiters: Vec<&Session> =
        rows(sessions, Sort::Age, "", false).into_iter().filter(|it| !it.blockers.is_empty()).collect();
    for waiter in &waiters {
        below.entry(waiter.blockers.first().copied().unwrap_or_default()).or_default().push(waiter);
    }
    let mut roots = roots(sessions);
    roots.sort_by_key(|root| Reverse(root.waiters.len()));
    let root = |root: &plimsoll_inspect::sessions::victim::Root| Branch {
        depth: 0,
        pid: root.pid,
        session: sessions.of(root.pid),
        waiters: root.waiters.len(),
    };
    let mut left: Vec<Branch<'_>> = roots.iter().rev().map(root).collect();
    let mut tree: Vec<Branch<'_>> = Vec::new();
    while let Some(branch) = left.pop() {
        tree.push(branch);
        // Taken out, so that each is shown once.
        let next = below.remove(&branch.pid).unwrap_or_default();
        left.extend(next.into_iter().rev().map(|session| Branch {
            depth: branch.depth + 1,
            pid: session.pid,
            session: Some(session),
            waiters: 0,
        }));
    }
    let shown: std::collections::HashSet<i32> = tree.iter().map(|branch| branch.pid).collect();
    let rest = waiters.into_iter().filter(|waiter| !shown.contains(&waiter.pid));
    tree.extend(rest.map(|session| Branch {
        depth: 1,
        pid: session.pid,
        session: Some(session),
        waiters: 0,
    }));
    tree
}

#[cfg(test)]
mod tests {
    use super::super::made::{pile, session};
    use super::*;

    fn pids(rows: &[&Session]) -> Vec<i32> {
        rows.iter().map(|session| session.pid).collect()
    }

    #[test]
    fn each_order_puts_first_what_it_says() {
        let sessions = pile();
        assert_eq!(pids(&rows(&sessions, Sort::Age, "", false)), [4711, 4713, 4712, 4720, 4714, 4730]);
        assert_eq!(pids(&rows(&sessions, Sort::Wait, "", false)), [4714, 4713, 4712, 4711, 4720, 4730]);
        assert_eq!(pids(&rows(&sessions, Sort::User, "", false)), [4713, 4712, 4714, 4730, 4711, 4720]);
    }

    #[test]
    fn a_filter_looks_at_all_that_is_shown() {
        let sessions = pile();
        let found = |filter| pids(&rows(&sessions, Sort::Age, filter, false));
        assert_eq!(found("NIGHTLY"), [4711]);
        assert_eq!(found("autovacuum"), [4720]);
        assert_eq!(found("4713"), [4713]);
        assert_eq!(found("transactionid"), [4713, 4712]);
        assert!(found("no such text").is_empty());
        assert_eq!(pids(&rows(&sessions, Sort::Age, "", true)), [4711, 4713, 4712, 4720, 4714]);
    }

    #[test]
    fn waits_and_states_are_summed() {
        let sessions = pile();
        let told: Vec<(String, usize)> =
            waits(&sessions).into_iter().map(|waits| (waits.event, waits.sessions)).collect();
        let expected =
            [("Lock/transactionid".to_owned(), 2), ("CPU".to_owned(), 1), ("Lock/relation".to_owned(), 1)];
        assert_eq!(told, expected);
        assert_eq!(counts(&sessions), Counts { active: 4, in_transaction: 1, idle: 1, hidden: 0 });
        assert_eq!(oldest(&sessions, None), Some((Duration::from_secs(185), 4711)));
        assert_eq!(oldest(&sessions, Some(Duration::from_secs(900))), Some((Duration::from_secs(900), 0)));
    }

    #[test]
    fn who_waits_lies_below_whom() {
        let shape = |sessions: &Sessions| -> Vec<(usize, i32, usize)> {
            tree(sessions).iter().map(|branch| (branch.depth, branch.pid, branch.waiters)).collect()
        };
        assert_eq!(shape(&pile()), [(0, 4711, 3), (1, 4713, 0), (2, 4714, 0), (1, 4712, 0)]);
        // A circle has no root, and a prepared transaction no session.
        let mut circle = Sessions { sessions: vec![session(1), session(2), session(3)], sees_all: true };
        for (session, blockers) in circle.sessions.iter_mut().zip([vec![2], vec![1], vec![0]]) {
            session.blockers = blockers;
        }
        assert_eq!(shape(&circle), [(0, 0, 1), (1, 3, 0), (1, 1, 0), (1, 2, 0)]);
        assert!(tree(&circle)[0].session.is_none());
    }
}
