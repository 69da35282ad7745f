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
