//! How many retries all calls together may make.
//!
//! A retry helps when one call had bad luck. When all calls have it, because a server is overloaded or a row is
//! contended, retries are what keeps it so: five tries each turn a load that was a little too much into five times that
//! load. No call can see this by itself, so all calls of a [`Database`](crate::Database) share one budget: over ten
//! seconds there is at most one retry to every five calls, and a few more.
//!
//! *The few more.* A share of few calls is none: a caller that makes one call a minute could never retry it. The floor
//! of ten lets two calls with the worst of luck make all their tries, and is one retry a second, which no server notices.
//!
//! *What counts.* A call counts once, when it begins, and only a call that may run again: retries of the few calls that
//! may must not be paid for by the many that may not. A retry counts when it is allowed, even if its caller is dropped
//! before it is made.
//!
//! *The window.* Time goes by in steps of half a second. The oldest step lies half outside the window, and is taken
//! for the worse: its retries still count and its calls no longer do. So the rule holds at every retry over exactly the
//! ten seconds before it. A clock that stands still gathers everything in one step; one that jumps back counts as
//! standing still, one that jumps ahead as silence.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// The time over which retries are held against calls.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(500);
const STEPS: u64 = 20;

/// The retries since the [`Database`](crate::Database) was made, and how many there may be now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryStatus {
    /// Calls that might run again, each counted once.
    pub calls: u64,
    /// Retries that were allowed.
    pub retries: u64,
    /// Retries that were refused because the budget was spent.
    pub refused: u64,
    /// Retries that the budget allows at this moment.
    pub allowed: u64,
}

/// Why there is no retry: so many were made, and so many calls allow no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    retries: u64,
    calls: u64,
    most: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spent { retries, calls, most } = self;
        let (window, ies) = (WINDOW.as_secs(), if *retries == 1 { "y" } else { "ies" });
        write!(
            f,
            "the retry budget is spent: {retries} retr{ies} in the last {window} s, and {calls} calls allow {most}"
        )
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    calls: u64,
    retries: u64,
}

/// The budget itself.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    share: f64,
    floor: u64,
    born: Instant,
    /// The number of the newest step, counted from birth.
    newest: u64,
    /// The newest first; one more than the window has, for the one that lies half outside.
    steps: VecDeque<Bucket>,
    ever: RetryStatus,
}

impl RetryBudget {
    /// Retries may be this share of calls, and this many more.
    pub(crate) fn new(share: f64, floor: u32, now: Instant) -> Self {
        let steps = (0..=STEPS).map(|_| Bucket::default()).collect();
        RetryBudget {
            share,
            floor: u64::from(floor),
            born: now,
            newest: 0,
            steps,
            ever: RetryStatus::default(),
        }
    }

    /// Counts a call: its first try begins.
    pub(crate) fn note_call(&mut self, now: Instant) {
        self.ever.calls += 1;
        if let Some(step) = self.step(now) {
            step.calls += 1;
        }
    }

    /// Asks for one retry, and counts it if there may be one.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<(), Spent> {
        let found = self.look(now);
        if found.retries >= found.most {
            self.ever.refused += 1;
            return Err(found);
        }
        self.ever.retries += 1;
        if let Some(step) = self.step(now) {
            step.retries += 1;
        }
        Ok(())
    }

    /// The retries so far, and how many there may be now.
    pub(crate) fn status(&mut self, now: Instant) -> RetryStatus {
        let found = self.look(now);
        RetryStatus { allowed: found.most.saturating_sub(found.retries), ..self.ever }
    }

    fn look(&mut self, now: Instant) -> Spent {
        self.step(now);
        let within = self.steps.len().saturating_sub(1);
        let calls = self.steps.iter().take(within).map(|step| step.calls).sum::<u64>();
        let retries = self.steps.iter().map(|step| step.retries).sum();
        // Rounded down: half a retry is none.
        let shared = (self.share * calls as f64) as u64;
        Spent { retries, calls, most: shared.saturating_add(self.floor) }
    }

    /// The step of this instant, or the newest there was, whichever is later.
    fn step(&mut self, now: Instant) -> Option<&mut Bucket> {
        let age = now.saturating_duration_since(self.born);
        let number = u64::try_from(age.as_millis() / STEP.as_millis()).unwrap_or(u64::MAX);
        let passed = number.saturating_sub(self.newest);
        for _ in 0..passed.min(STEPS + 1) {
            self.steps.pop_back();
            self.steps.push_front(Bucket::default());
        }
        self.newest = self.newest.max(number);
        self.steps.front_mut()
    }
}

#[cfg(test)]
mod tests;
