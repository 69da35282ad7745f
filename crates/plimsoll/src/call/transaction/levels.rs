//! The open savepoints of a transaction, one inside the other.
//!
//! The server keeps savepoints on a stack. If a program used two beside each other, a rollback to the first would undo the
//! rows of the second, although its caller was told that they are kept. So only the innermost savepoint may be used, and
//! the handles of the outer ones are refused while it is open. Waiting instead could be a deadlock, where the waiting task
//! is the one that has to end the inner savepoint.

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
    /// There has been a savepoint.
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
    /// Its closure was dropped: it must be rolled back before anything else is done.
    is_given_up: bool,
}

/// Whether a level may be used now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Yes, it is the innermost.
    Open,
    /// After this savepoint and all within it are rolled back.
    After(Level),
    /// No, another savepoint is open within it.
    Blocked,
    /// No, it has ended.
    Ended,
}

impl Levels {
    /// Opens a savepoint inside `outer`, if that is still the innermost.
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

    /// Whether a savepoint is open.
    #[inline]
    pub(crate) fn has_open(&self) -> bool {
        self.is_used.load(Ordering::Acquire) && !self.stack.lock().open.is_empty()
    }

    /// A savepoint has ended, with all within it.
    pub(crate) fn remove(&self, level: Level) {
        let mut stack = self.stack.lock();
        if let Some(at) = stack.open.iter().position(|savepoint| savepoint.level == level) {
            stack.open.truncate(at);
        }
    }

    /// The closure of a savepoint was dropped.
    pub(crate) fn give_up(&self, level: Level) {
        let mut stack = self.stack.lock();
        for savepoint in stack.open.iter_mut().filter(|savepoint| savepoint.level == level) {
            savepoint.is_given_up = true;
        }
    }

    /// Whether a statement may run at this level now.
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
