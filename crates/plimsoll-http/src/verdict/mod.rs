//! Whether a database is well, and if not why and since when, in one sentence.
//!
//! On a page with forty numbers a person on call reads one sentence first. It is made here and not on the page, so that the
//! page, a log line, a health endpoint and a service's own start page say the same. What is known is gathered in `facts.rs`;
//! `judge.rs` is a pure function of it.
//!
//! Several things are often wrong at once, and most of them follow from one: behind a frozen server the pool is exhausted,
//! callers are refused, and statements fail. So the first cause in a fixed order is told and not all of them.

mod facts;
mod judge;

use facts::Facts;
use plimsoll::Database;
use plimsoll::monitor::Timestamp;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is to be done.
    Well,
    /// Somebody should look, today.
    Notice,
    /// Callers are refused or wait in vain, now.
    Trouble,
}

/// What is the matter with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matter {
    /// It serves what is asked of it.
    Healthy,
    /// It would serve, and nothing is asked.
    Idle,
    /// No connection was opened yet.
    Starting,
    /// The pool is closed.
    Closed,
    /// An operator has isolated it: calls are refused.
    Isolated,
    /// Connections are open, and the server answers on none of them.
    Frozen,
    /// No connection can be opened.
    Refused,
    /// The server answers again, and calls are let through step by step.
    Recovering,
    /// The server takes no writes any more, and no other that does was found.
    Demoted,
    /// An operator has paused the pool: callers wait.
    Paused,
    /// All connections are lent and callers are refused or wait long.
    Exhausted,
    /// Callers are refused because they could not be served in time.
    Overloaded,
    /// Sessions wait behind a lock.
    LockPileUp,
    /// Connections are lent and not used.
    Leaking,
    /// Many statements fail.
    Failing,
    /// Many statements are slow.
    Slow,
    /// Callers wait for a connection, and are served.
    Queueing,
}

/// Whether a database is well, and if not why and since when: [`verdict`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// How bad it is.
    pub level: Level,
    /// What is the matter.
    pub matter: Matter,
    /// All of it in one sentence. It names work and times, and holds no SQL, no parameters and nothing that the server said.
    pub sentence: Cow<'static, str>,
    /// Since when it is so, as far as that is known without remembering the last answer.
    pub since: Option<Timestamp>,
}

/// Whether this database is well. It asks the server nothing and waits for nothing, so it may be asked each second, also
/// while the server is frozen and the pool exhausted.
///
/// ```no_run
/// # fn example(db: &plimsoll::Database) {
/// let verdict = plimsoll_http::verdict(db);
/// println!("{:?}: {verdict}", verdict.level);
/// # }
/// ```
#[must_use]
pub fn verdict(db: &Database) -> Verdict {
    judge::judge(&Facts::of(db))
}

/// What is said of a service that has no database yet.
pub(crate) fn none_yet() -> Verdict {
    Verdict {
        level: Level::Notice,
        matter: Matter::Starting,
        sentence: "The service is starting: it has no database yet.".into(),
        since: None,
    }
}

impl Matter {
    /// As a word for programs: `frozen`, `lock-pile-up`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Matter::Healthy => "healthy",
            Matter::Idle => "idle",
            Matter::Starting => "starting",
            Matter::Closed => "closed",
            Matter::Isolated => "isolated",
            Matter::Frozen => "frozen",
            Matter::Refused => "refused",
            Matter::Recovering => "recovering",
            Matter::Demoted => "demoted",
            Matter::Paused => "paused",
            Matter::Exhausted => "exhausted",
            Matter::Overloaded => "overloaded",
            Matter::LockPileUp => "lock-pile-up",
            Matter::Leaking => "leaking",
            Matter::Failing => "failing",
            Matter::Slow => "slow",
            Matter::Queueing => "queueing",
        }
    }
}

impl Serialize for Matter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
