//! How much of a request's body may come, and how long the server waits for it.
//!
//! Only time in which the server waits for the client counts: a handler that takes its time between two reads takes
//! nothing of the client's allowance, and an upload that goes on steadily is not cut off because the database is slow.

use std::time::Duration;

/// The limits of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) bytes: u64,
    /// All waiting for it together.
    pub(super) within: Duration,
    /// Waiting for its next piece.
    pub(super) pause: Duration,
}

/// Why a body was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    TooLarge,
    TooSlow,
    /// The server stops, and the body was not whole.
    Stopping,
}

/// What a body has used up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) bytes: u64,
    pub(super) waited: Duration,
    /// What had been waited when the server began to stop.
    pub(super) before_stop: Option<Duration>,
}

/// How long the server waits for a body altogether once it stops. Its request has done nothing yet, so it may come again;
/// a body that is almost there is still taken.
pub(super) const STOP: Duration = Duration::from_secs(1);

impl BodyLimits {
    /// Counts a piece for which the server waited.
    ///
    /// # Errors
    /// It is one too many.
    pub(super) fn take(
        &self,
        used: &mut Used,
        bytes: u64,
        waited: Duration,
    ) -> std::result::Result<(), BodyEnd> {
        used.bytes = used.bytes.saturating_add(bytes);
        used.waited = used.waited.saturating_add(waited);
        if used.bytes > self.bytes { Err(BodyEnd::TooLarge) } else { Ok(()) }
    }

    /// How long the server waits for the next piece, and what becomes of the body then.
    pub(super) fn patience(&self, used: &Used) -> (Duration, BodyEnd) {
        let usual = self.pause.min(self.within.saturating_sub(used.waited));
        let stop = used.before_stop.map(|before| before.saturating_add(STOP).saturating_sub(used.waited));
        match stop {
            Some(stop) if stop < usual => (stop, BodyEnd::Stopping),
            _ => (usual, BodyEnd::TooSlow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    proptest! {
        #[test]
        fn no_body_brings_more_bytes_or_takes_more_time_than_it_may(
            pieces in prop::collection::vec((0_u64..200, 0_u64..400), 0..50),
        ) {
            let limits = BodyLimits { bytes: 1_000, within: ms(2_000), pause: ms(300) };
            let mut used = Used::default();
            let mut taken = 0;
            let mut total = ms(0);
            for (bytes, waited) in pieces {
                let (patience, _) = limits.patience(&used);
                prop_assert!(patience <= ms(300) && used.waited + patience <= ms(2_000).max(used.waited));
                if ms(waited) > patience {
                    break;
                }
                total += ms(waited);
                if limits.take(&mut used, bytes, ms(waited)).is_err() {
                    prop_assert!(taken + bytes > 1_000);
                    break;
                }
                taken += bytes;
            }
            prop_assert!(taken <= 1_000 && total <= ms(2_000));
        }

        #[test]
        fn a_server_that_stops_waits_for_a_second_more_and_not_at_all_beyond(
            before in 0_u64..5_000, pieces in prop::collection::vec(0_u64..400, 0..50),
        ) {
            let limits = BodyLimits { bytes: 1_000, within: ms(60_000), pause: ms(60_000) };
            let mut used = Used { waited: ms(before), before_stop: Some(ms(before)), ..Used::default() };
            for waited in pieces {
                let (patience, end) = limits.patience(&used);
                prop_assert_eq!((patience + used.waited, end), (ms(before) + STOP, BodyEnd::Stopping));
                let _ = limits.take(&mut used, 0, ms(waited).min(patience));
            }
            prop_assert!(used.waited <= ms(before) + STOP);
        }

        #[test]
        fn a_body_within_its_limits_is_never_refused(pieces in prop::collection::vec(0_u64..=20, 0..50)) {
            let limits = BodyLimits { bytes: 1_000, within: ms(5_000), pause: ms(100) };
            let mut used = Used::default();
            for bytes in pieces {
                prop_assert!(limits.patience(&used).0 >= ms(100));
                prop_assert!(limits.take(&mut used, bytes, ms(90)).is_ok());
            }
        }
    }
}
