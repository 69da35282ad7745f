//! Running work again, when that is certain to be safe.
//!
//! Only what was rolled back for certain runs again, only for faults that may pass, a few times, after pauses with
//! full jitter so that those who collided do not collide again, and never past the deadline.

use crate::deadline;
use crate::error::{Phase, Result};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const TRIES: u32 = 5;
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// The pause before the next try, counted from one: anywhere between nothing and a ceiling that doubles.
fn pause(tried: u32, chance: f64) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << tried.min(10).saturating_sub(1)).min(LONGEST);
    ceiling.mul_f64(chance.clamp(0.0, 1.0))
}

pub(crate) async fn run<T, Fut: Future<Output = Result<T>>>(work: impl Fn() -> Fut) -> Result<T> {
    let mut tried = 0;
    loop {
        let error = match work().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        tried += 1;
        // Whoever got no connection has waited for it as long as it may: another such wait heals no more than the first.
        let waited_already = error.phase() == Phase::Acquire;
        if !error.may_run_again() || waited_already || tried >= TRIES {
            return Err(if tried > 1 { error.and(format!("tried {tried} times")) } else { error });
        }
        let pause = pause(tried, fastrand::f64());
        if deadline::current().is_some_and(|deadline| deadline.remaining(Instant::now()) <= pause) {
            return Err(error.and(format!("tried {tried} times; the deadline leaves no time for another")));
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_ceiling_and_the_jitter_is_full() {
        assert_eq!(pause(1, 1.0), Duration::from_millis(10));
        assert_eq!(pause(2, 1.0), Duration::from_millis(20));
        assert_eq!(pause(9, 1.0), LONGEST);
        assert_eq!(pause(3, 0.0), Duration::ZERO);
    }
}
