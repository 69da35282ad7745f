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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOOR: u32 = 3;

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Call,
        Retry,
    }

    /// Something that happens so many milliseconds after what was before.
    fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
        let pause = prop_oneof![4 => Just(0), 8 => 0..600u64, 2 => 0..4_000u64, 1 => 0..30_000u64];
        let act = prop_oneof![Just(Act::Call), Just(Act::Retry)];
        prop::collection::vec((pause, act), 0..400)
    }

    /// How many there were within this time before an instant, that instant included.
    fn within(times: &[Instant], now: Instant, span: Duration) -> u64 {
        times.iter().filter(|at| **at + span > now).count() as u64
    }

    proptest! {
        #[test]
        fn before_every_retry_the_share_and_the_floor_hold(acts in acts(), share in 0.0..=1.0f64) {
            let mut now = Instant::now();
            let mut budget = RetryBudget::new(share, FLOOR, now);
            let (mut calls, mut retries) = (vec![], vec![]);
            for (pause, act) in acts {
                now += Duration::from_millis(pause);
                match act {
                    Act::Call => {
                        budget.note_call(now);
                        calls.push(now);
                    }
                    Act::Retry if budget.ask(now).is_ok() => {
                        retries.push(now);
                        let allowed = share * within(&calls, now, WINDOW) as f64 + f64::from(FLOOR);
                        prop_assert!(within(&retries, now, WINDOW) as f64 <= allowed);
                    }
                    Act::Retry => {
                        // A refusal is never for less than what one step more of retries and less of calls explains.
                        let calls = within(&calls, now, WINDOW - STEP);
                        let most = (share * calls as f64) as u64 + u64::from(FLOOR);
                        prop_assert!(within(&retries, now, WINDOW + STEP) >= most);
                    }
                }
                let status = budget.status(now);
                prop_assert_eq!((status.calls, status.retries), (calls.len() as u64, retries.len() as u64));
            }
        }

        #[test]
        fn over_all_time_no_call_is_spent_twice(acts in acts(), share in 0.0..=1.0f64) {
            let start = Instant::now();
            let (mut now, mut budget) = (start, RetryBudget::new(share, FLOOR, start));
            for (pause, act) in acts {
                now += Duration::from_millis(pause);
                match act {
                    Act::Call => budget.note_call(now),
                    Act::Retry => drop(budget.ask(now)),
                }
            }
            let floors = 1.0 + (now - start).as_secs_f64() / WINDOW.as_secs_f64();
            let status = budget.status(now);
            let most = share * status.calls as f64 + f64::from(FLOOR) * floors.ceil();
            prop_assert!(status.retries as f64 <= most, "{:?} over {:?}", status, now - start);
        }

        #[test]
        fn after_a_window_of_silence_it_is_full_again(acts in acts()) {
            let mut now = Instant::now();
            let mut budget = RetryBudget::new(0.2, FLOOR, now);
            for (pause, act) in acts {
                now += Duration::from_millis(pause);
                match act {
                    Act::Call => budget.note_call(now),
                    Act::Retry => drop(budget.ask(now)),
                }
            }
            prop_assert_eq!(budget.status(now + WINDOW + STEP).allowed, u64::from(FLOOR));
        }

        #[test]
        fn a_clock_that_jumps_gives_away_nothing(jumps in prop::collection::vec(0..100_000u64, 1..200)) {
            let start = Instant::now();
            let mut budget = RetryBudget::new(0.2, FLOOR, start);
            let (mut latest, mut made) = (0, 0);
            for jump in jumps {
                // Only what is later than everything before it is time that has passed.
                made = if jump >= latest + 10_500 { 0 } else { made };
                latest = latest.max(jump);
                made += u64::from(budget.ask(start + Duration::from_millis(jump)).is_ok());
                prop_assert!(budget.status(start + Duration::from_millis(jump)).allowed <= u64::from(FLOOR));
            }
            prop_assert!(made <= u64::from(FLOOR) * (2 + latest / 10_000));
        }
    }

    #[test]
    fn while_the_clock_stands_still_a_fifth_and_the_floor_are_all_there_is() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(0.2, 10, now);
        for _ in 0..40 {
            budget.note_call(now);
        }
        let made = (0..100).filter(|_| budget.ask(now).is_ok()).count();
        assert_eq!(made, 18);
        let refusal = budget.ask(now).expect_err("it is spent").to_string();
        assert_eq!(refusal, "the retry budget is spent: 18 retries in the last 10 s, and 40 calls allow 18");
        let mut one = RetryBudget::new(0.0, 1, now);
        assert!(one.ask(now).is_ok());
        let refusal = one.ask(now).expect_err("it is spent").to_string();
        assert_eq!(refusal, "the retry budget is spent: 1 retry in the last 10 s, and 0 calls allow 1");
        let status = budget.status(now);
        assert_eq!(status, RetryStatus { calls: 40, retries: 18, refused: 83, allowed: 0 });
        let before_it_was_born = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        assert_eq!(budget.status(before_it_was_born), status);
        assert_eq!(budget.status(now + Duration::from_secs(3_600_000)).allowed, 10);
    }

    #[test]
    fn a_retry_counts_for_a_window_and_a_step_and_a_call_for_less() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut budget = RetryBudget::new(1.0, 0, start);
        budget.note_call(start);
        assert_eq!(budget.status(at(9_999)).allowed, 1);
        assert_eq!(budget.status(at(10_000)).allowed, 0, "the call's step lies half outside");
        let mut budget = RetryBudget::new(0.0, 1, start);
        assert!(budget.ask(start).is_ok());
        assert!(budget.ask(at(10_499)).is_err(), "the retry's step lies half inside");
        assert!(budget.ask(at(10_500)).is_ok());
    }

    #[test]
    fn without_share_and_floor_there_is_none() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(0.0, 0, now);
        budget.note_call(now);
        assert!(budget.ask(now).is_err());
    }
}
