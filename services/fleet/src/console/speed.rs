//! Whether the database is slow, from how long small questions to it take. Pure: the time is an argument.
//!
//! One slow answer is a hiccup, so a database is slow after two in a row, and as fast as before after two that were not. A
//! question that has no answer yet counts only after a longer time: a frozen database is not told as slow first.

use std::time::Duration;
use tokio::time::Instant;

/// A small transaction that takes longer is slow.
const SLOW: Duration = Duration::from_millis(250);
/// A question that has been out for longer is slow, whatever becomes of it.
const OVERDUE: Duration = Duration::from_millis(1_200);
/// The next question comes so long after the last answer.
const PAUSE: Duration = Duration::from_millis(400);
/// So many in a row decide.
const IN_A_ROW: u32 = 2;

/// What is known of the database's speed.
#[derive(Debug, Default)]
pub(super) struct Speed {
    /// When the question that is out was asked.
    asked: Option<Instant>,
    answered: Option<Instant>,
    is_slow: bool,
    /// The latest answers that contradict `is_slow`, in a row.
    against: u32,
}

impl Speed {
    /// Whether a question is to be asked now. If so it counts as asked.
    pub(super) fn ask_now(&mut self, now: Instant) -> bool {
        let is_due = self.answered.is_none_or(|answered| now.saturating_duration_since(answered) >= PAUSE);
        let asks = self.asked.is_none() && is_due;
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// The question was answered, or given up; the second only ends it, since what is away is told by others. Whether it is to
    /// be asked again at once, since one more such answer would decide; then it counts as asked.
    pub(super) fn ended(&mut self, now: Instant, is_answered: bool) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        self.answered = Some(now);
        if !is_answered {
            return false;
        }
        let was_slow = now.saturating_duration_since(asked) >= SLOW;
        self.against = if was_slow == self.is_slow { 0 } else { self.against.saturating_add(1) };
        if self.against >= IN_A_ROW {
            (self.is_slow, self.against) = (was_slow, 0);
        }
        if self.against > 0 {
            self.asked = Some(now);
        }
        self.against > 0
    }

    /// Whether it is slow.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.is_slow || self.asked.is_some_and(|asked| now.saturating_duration_since(asked) >= OVERDUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(began: Instant, ms: u64) -> Instant {
        began + Duration::from_millis(ms)
    }

    /// Answers one after the other, each taking so many milliseconds; whether it is slow after each.
    fn told(took: &[u64]) -> Vec<bool> {
        let (mut speed, mut now) = (Speed::default(), Instant::now());
        let mut is_asked_again = false;
        let answer = |took: &u64| {
            assert!(is_asked_again || speed.ask_now(now), "it is time");
            now += Duration::from_millis(*took);
            is_asked_again = speed.ended(now, true);
            let is_slow = speed.is_slow(now);
            if !is_asked_again {
                assert!(!speed.ask_now(now), "not at once");
                now += PAUSE;
            }
            is_slow
        };
        took.iter().map(answer).collect()
    }

    #[test]
    fn two_in_a_row_decide() {
        assert_eq!(told(&[1, 300, 1, 300, 1]), [false; 5], "hiccups");
        assert_eq!(told(&[300, 300, 1, 300, 1, 1]), [false, true, true, true, true, false]);
    }

    #[test]
    fn one_question_is_out_and_one_that_hangs_is_slow() {
        let (mut speed, began) = (Speed::default(), Instant::now());
        assert!(speed.ask_now(began));
        assert!(!speed.ask_now(after(began, 5_000)), "one is out");
        assert!(!speed.is_slow(after(began, 1_000)), "a frozen database is not told as slow first");
        assert!(speed.is_slow(after(began, 1_200)));
        assert!(!speed.ended(after(began, 2_000), false));
        assert!(!speed.is_slow(after(began, 2_000)), "a question that was given up says nothing");
        assert!(!speed.ask_now(after(began, 2_399)));
        assert!(speed.ask_now(after(began, 2_400)));
    }

    proptest! {
        #[test]
        fn what_was_fast_twice_is_not_slow(mut took in prop::collection::vec(0_u64..2_000, 0..40)) {
            took.extend([1, 1]);
            prop_assert_eq!(told(&took).last().copied(), Some(false));
            took.extend([300, 400]);
            prop_assert_eq!(told(&took).last().copied(), Some(true));
        }
    }
}
