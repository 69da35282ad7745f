//! What an answer means for a device, and when it sends again. Pure.

use std::time::Duration;

/// The pause after the first attempt; each further one is twice as long ..
const FIRST: Duration = Duration::from_millis(250);
/// .. up to this.
const LONGEST: Duration = Duration::from_secs(5);

/// What a device was told of a reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is stored: the device need not keep it.
    Acknowledged,
    /// It may be taken later, or nothing is known of it: the device keeps it and sends it again.
    Again {
        /// A status, a code, or `no answer`.
        why: String,
        /// Not before this has passed, if the service said so.
        after: Option<Duration>,
    },
    /// It will never be taken as it is: the device gives it up.
    Refused {
        /// A status or a code.
        why: String,
    },
}

impl Told {
    /// Nothing was heard.
    #[must_use]
    pub fn nothing() -> Self {
        Told::Again { why: "no answer".to_owned(), after: None }
    }

    /// An answer over HTTP.
    #[must_use]
    pub fn of_status(status: u16, after: Option<Duration>) -> Self {
        let why = status.to_string();
        match status {
            202 => Told::Acknowledged,
            408 | 425 | 429 | 500..=599 => Told::Again { why, after },
            // Others work on the same (409), or whatever else passes: who says when to come again means it.
            400..=499 if after.is_some() => Told::Again { why, after },
            // 202 is the only word for "stored": whatever answers otherwise may not even be the service.
            _ => Told::Refused { why },
        }
    }
}

/// How long a device waits before it sends again, after so many attempts. `roll` is from 0 to 1: devices that were refused
/// together do not come back together. What the service asked for is never undercut.
#[must_use]
pub fn pause(attempts: u32, asked: Option<Duration>, roll: f64) -> Duration {
    let usual = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST);
    let roll = roll.clamp(0.0, 1.0);
    match asked {
        Some(asked) => asked.saturating_add(usual.mul_f64(roll)),
        None => usual.mul_f64(0.5 + roll / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_202_ends_it_well() {
        assert_eq!(Told::of_status(202, None), Told::Acknowledged);
        for status in [408, 425, 429, 500, 502, 503, 504] {
            let after = Some(Duration::from_secs(2));
            assert_eq!(Told::of_status(status, after), Told::Again { why: status.to_string(), after });
        }
        let after = Some(Duration::from_secs(1));
        assert_eq!(Told::of_status(409, after), Told::Again { why: "409".to_owned(), after });
        for status in [200, 204, 301, 400, 401, 403, 404, 409, 413, 415, 422] {
            assert_eq!(Told::of_status(status, None), Told::Refused { why: status.to_string() });
        }
    }

    #[test]
    fn pauses_grow_to_five_seconds() {
        let pauses: Vec<_> = (1..=7).map(|attempts| pause(attempts, None, 1.0).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

    proptest! {
        #[test]
        fn none_comes_back_sooner_than_it_was_asked_to(attempts: u32, asked in 0u64..100_000, roll in 0.0f64..=1.0) {
            let asked = Duration::from_millis(asked);
            let after = pause(attempts, Some(asked), roll);
            prop_assert!(after >= asked && after <= asked + LONGEST);
            let after = pause(attempts, None, roll);
            prop_assert!(after >= FIRST / 2 && after <= LONGEST);
        }
    }
}
