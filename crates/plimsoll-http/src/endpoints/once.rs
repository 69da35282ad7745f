//! An answer that one caller gets for all that wait.
//!
//! A question that many ask at once would reach the server as many times, and there is least room for it when there are many.
//! So one caller asks, the others wait for what it hears, and for a short time it is not asked again.

use parking_lot::Mutex;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is given to those that come later.
const LASTS: Duration = Duration::from_secs(1);

/// The last answer, and the lock of the one caller that asks.
pub(super) struct Once<T> {
    last: Mutex<Option<(Instant, T)>>,
    asking: tokio::sync::Mutex<()>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once { last: Mutex::new(None), asking: tokio::sync::Mutex::new(()) }
    }
}

impl<T: Clone> Once<T> {
    /// The answer. One that `is_for_all` denies is only this caller's.
    ///
    /// # Cancel safety
    /// Dropped, another waiting caller asks.
    pub(super) async fn get<F>(&self, ask: impl FnOnce() -> F, is_for_all: impl Fn(&T) -> bool) -> T
    where
        F: Future<Output = T>,
    {
        let asked = Instant::now();
        let kept = |now: Instant| {
            let last = self.last.lock();
            // One that was given since this caller came is as new as its own would be.
            let is_new = |(at, _): &&(Instant, T)| *at >= asked || now.duration_since(*at) < LASTS;
            last.as_ref().filter(is_new).map(|(_, answer)| answer.clone())
        };
        if let Some(answer) = kept(asked) {
            return answer;
        }
        let _asking = self.asking.lock().await;
        if let Some(answer) = kept(Instant::now()) {
            return answer;
        }
        let answer = ask().await;
        if is_for_all(&answer) {
            *self.last.lock() = Some((Instant::now(), answer.clone()));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::Cell;
    use tokio::time::{advance, sleep, timeout};

    /// Asks, which takes 5 s, and answers how often it was asked.
    async fn ask(asked: &Cell<u32>) -> u32 {
        asked.set(asked.get() + 1);
        sleep(Duration::from_secs(5)).await;
        asked.get()
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_share_one_answer_which_lasts_a_second() {
        let (once, asked) = (Once::default(), Cell::new(0));
        let all = join_all((0..100).map(|_| once.get(|| ask(&asked), |_| true))).await;
        assert_eq!((all, asked.get()), (vec![1; 100], 1));
        advance(Duration::from_millis(999)).await;
        assert_eq!(once.get(|| ask(&asked), |_| true).await, 1);
        advance(Duration::from_millis(1)).await;
        assert_eq!(once.get(|| ask(&asked), |_| true).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_leaves_the_question_to_the_next_and_an_answer_of_its_own_to_itself() {
        let (once, asked) = (Once::default(), Cell::new(0));
        let leaves = timeout(Duration::from_secs(1), once.get(|| ask(&asked), |_| true));
        let (left, stayed) = tokio::join!(leaves, once.get(|| ask(&asked), |_| true));
        assert!(left.is_err());
        assert_eq!(stayed, 2);
        advance(LASTS).await;
        assert_eq!(once.get(|| ask(&asked), |_| false).await, 3);
        assert_eq!(once.get(|| ask(&asked), |_| true).await, 4, "that of another was not for it");
    }
}
