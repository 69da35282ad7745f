//! Which savepoints of a transaction are open, one inside the other.
//!
//! The server keeps savepoints on a stack. Two that are open beside each other would not be: what the one rolls back
//! to takes the other's rows along, although that was told to be kept. So only the innermost one may be used, and
//! whoever holds the handle of one further out is refused while another is open inside it. Waiting for it instead would
//! be a deadlock where the one who waits is also the one who has to end it.

use crate::error::{Error, Outcome, Phase};
use crate::fault::Fault;
use crate::name::WorkName;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of a savepoint; the transaction itself is 0.
pub(crate) type Level = u32;

/// The savepoints of one transaction.
#[derive(Default)]
pub(crate) struct Levels {
    /// There has been one.
    is_used: AtomicBool,
    stack: Mutex<Stack>,
}

/// From the outermost to the innermost.
#[derive(Default)]
struct Stack {
    open: Vec<Savepoint>,
    last: Level,
}

struct Savepoint {
    level: Level,
    /// Its closure was dropped: it is rolled back to before anything else is done.
    is_given_up: bool,
}

/// Whether a level may be used now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is the innermost.
    Open,
    /// Once this savepoint, and all within it, are rolled back.
    After(Level),
    /// Another is open within it.
    Blocked,
    /// It has ended.
    Ended,
}

impl Levels {
    /// Opens one inside `outer`, which was found to be the innermost.
    pub(crate) fn push(&self, outer: Level) -> Option<Level> {
        self.is_used.store(true, Ordering::Release);
        let mut stack = self.stack.lock();
        if stack.entry(outer) != Entry::Open {
            return None;
        }
        stack.last += 1;
        let level = stack.last;
        stack.open.push(Savepoint { level, is_given_up: false });
        Some(level)
    }

    /// It has ended, with all within it.
    pub(crate) fn remove(&self, level: Level) {
        let mut stack = self.stack.lock();
        if let Some(at) = stack.open.iter().position(|savepoint| savepoint.level == level) {
            stack.open.truncate(at);
        }
    }

    /// Its closure was dropped.
    pub(crate) fn give_up(&self, level: Level) {
        let mut stack = self.stack.lock();
        for savepoint in stack.open.iter_mut().filter(|savepoint| savepoint.level == level) {
            savepoint.is_given_up = true;
        }
    }

    /// Whether this level may be used now.
    #[inline]
    pub(crate) fn entry(&self, level: Level) -> Entry {
        if !self.is_used.load(Ordering::Acquire) {
            return Entry::Open;
        }
        self.stack.lock().entry(level)
    }
}

impl Stack {
    fn entry(&self, level: Level) -> Entry {
        let within = match level {
            0 => 0,
            _ => match self.open.iter().position(|savepoint| savepoint.level == level) {
                Some(at) if self.open.iter().take(at + 1).all(|savepoint| !savepoint.is_given_up) => at + 1,
                _ => return Entry::Ended,
            },
        };
        let mut within = self.open.iter().skip(within);
        match within.next() {
            None => Entry::Open,
            Some(first) if first.is_given_up && within.all(|savepoint| savepoint.is_given_up) => {
                Entry::After(first.level)
            }
            Some(_) => Entry::Blocked,
        }
    }
}

impl Entry {
    /// Why the handle cannot be used.
    pub(crate) fn refusal(&self, work: &WorkName) -> Error {
        let why = match self {
            Entry::Ended => "the savepoint has ended; its handle was used afterwards",
            _ => {
                "a savepoint is open inside, whose rollback would undo this as well; use the handle that its closure was \
                 given, or wait until it has ended"
            }
        };
        let sentence = format!("in the transaction of {work} {why}");
        Error::new(Fault::Usage, Phase::Statement, Outcome::NotStarted, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_innermost_may_be_used() {
        let levels = Levels::default();
        assert_eq!(levels.entry(0), Entry::Open);
        let outer = levels.push(0).unwrap();
        let inner = levels.push(outer).unwrap();
        assert_eq!((levels.entry(0), levels.entry(outer), levels.entry(inner)), {
            (Entry::Blocked, Entry::Blocked, Entry::Open)
        });
        assert_eq!(levels.push(0), None);
        levels.remove(inner);
        assert_eq!((levels.entry(outer), levels.entry(inner)), (Entry::Open, Entry::Ended));
    }

    #[test]
    fn what_was_given_up_is_rolled_back_first_and_never_used() {
        let levels = Levels::default();
        let outer = levels.push(0).unwrap();
        let inner = levels.push(outer).unwrap();
        levels.give_up(inner);
        assert_eq!(levels.entry(outer), Entry::After(inner));
        assert_eq!((levels.entry(0), levels.entry(inner)), (Entry::Blocked, Entry::Ended));
        levels.give_up(outer);
        assert_eq!((levels.entry(0), levels.entry(outer)), (Entry::After(outer), Entry::Ended));
        levels.remove(outer);
        assert_eq!(levels.entry(0), Entry::Open);
    }
}
