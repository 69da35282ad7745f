//! When a message is tried again: pure rules.

use jiff::Timestamp;
use std::time::Duration;

/// The longest that a receiver may put a message off.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How often and how long a message is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// After the first try.
    pub first: Duration,
    /// After any try.
    pub longest: Duration,
    /// As many tries; after the last one the message is dead.
    pub attempts: i32,
    /// What a try may take, from looking up the name to the answer.
    pub limit: Duration,
}

/// Fourteen tries within four and a half hours, each of at most ten seconds.
impl Default for RetrySettings {
    fn default() -> Self {
        let (first, longest) = (Duration::from_secs(5), Duration::from_secs(3600));
        RetrySettings { first, longest, attempts: 14, limit: Duration::from_secs(10) }
    }
}

impl RetrySettings {
    /// How long a claim holds: longer than a try can take and what comes before and after it, so that no two senders try one
    /// message at the same time.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.limit * 2 + Duration::from_secs(30)
    }

    /// The pause after this try, the first being 1; none after the last. It doubles, and `random` (from 0 to 1) takes up to a
    /// half away, so that messages which failed together do not come again together. What the receiver asked for counts where
    /// it is longer, up to an hour.
    #[must_use]
    pub fn pause(&self, attempt: i32, asked: Option<Duration>, random: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(30);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let pause = whole.mul_f64(1.0 - 0.5 * random.clamp(0.0, 1.0));
        Some(pause.max(asked.unwrap_or_default().min(LONGEST_ASKED)))
    }
}

/// What a `Retry-After` says: a number of seconds, or a time.
#[must_use]
pub fn retry_after(said: &str, now: Timestamp) -> Option<Duration> {
    let said = said.trim();
    if !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(said.parse().map_or(LONGEST_ASKED, Duration::from_secs));
    }
    let time = jiff::fmt::rfc2822::parse(said).ok()?.timestamp();
    Some(Duration::try_from(time.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_doubles_up_to_an_hour_and_ends() {
        let settings = RetrySettings::default();
        let whole = |attempt| settings.pause(attempt, None, 0.0).map(|pause| pause.as_secs());
        assert_eq!([1, 2, 3, 10].map(whole), [Some(5), Some(10), Some(20), Some(2560)]);
        assert_eq!([11, 12, 13].map(whole), [Some(3600); 3]);
        assert_eq!([14, 15, i32::MAX].map(whole), [None; 3]);
        assert_eq!(settings.pause(1, None, 1.0), Some(Duration::from_millis(2500)));
    }

    #[test]
    fn what_the_receiver_asks_for_counts_up_to_an_hour() {
        let settings = RetrySettings::default();
        let asked = |seconds| settings.pause(1, Some(Duration::from_secs(seconds)), 0.0).unwrap().as_secs();
        assert_eq!([asked(0), asked(90), asked(1_000_000)], [5, 90, 3600]);
        let now: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        for (said, seconds) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(said, now).map(|after| after.as_secs()), seconds, "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_an_hour_and_none_panics(attempt: i32, asked: u64, random: f64) {
            let pause = RetrySettings::default().pause(attempt, Some(Duration::from_secs(asked)), random);
            prop_assert!(pause.is_none_or(|pause| pause <= LONGEST_ASKED && pause >= Duration::from_millis(2500)));
        }

        #[test]
        fn any_text_is_read_or_is_not(said in "\\PC{0,40}") {
            let _ = retry_after(&said, Timestamp::UNIX_EPOCH);
        }
    }
}
