//! Which limit a kind of statement could have, from how long it usually takes.
//!
//! The suggestion is a multiple of the 99th percentile. What was stopped at a limit would have taken longer, and it is not
//! known how much: it counts as longer than everything that was answered. Otherwise a limit would hide the statements that
//! it stops, the percentile would fall, and with it the next limit. So where more than one in a hundred is stopped, nothing
//! below the configured limit is suggested.

use std::fmt;
use std::time::Duration;

/// A limit is this multiple of the 99th percentile.
pub(crate) const FACTOR: u32 = 4;

/// No limit below this is suggested: a pause of the server or the network takes as long.
pub(crate) const FLOOR: Duration = Duration::from_millis(250);

/// From fewer executions nothing is suggested: of these the 99th percentile is the third longest.
pub(crate) const ENOUGH: u64 = 200;

/// What is known of a kind of statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Executions that were answered, or stopped before they were.
    pub(crate) samples: u64,
    /// Those of them that were stopped or given up before they were answered.
    pub(crate) cut_off: u64,
    /// The time that 99 per cent of them did not exceed; none if that is longer than what was seen.
    pub(crate) p99: Option<Duration>,
}

/// What is suggested, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) limit: Option<Duration>,
    pub(crate) why: Why,
}

/// Why a limit is suggested, or the configured one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is a multiple of what was observed.
    Multiple,
    /// A multiple would be shorter than any limit should be.
    Floor,
    /// The configured limit is not longer than a multiple.
    Configured,
    /// More than one in a hundred was stopped, so how long it takes is not known.
    CutOff,
    /// Too few executions.
    TooFew,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Multiple => write!(f, "{FACTOR} times the 99th percentile"),
            Why::Floor => write!(f, "the shortest limit that is suggested"),
            Why::Configured => f.write_str(
                "the configured limit, which is not longer than a multiple of the 99th percentile",
            ),
            Why::CutOff => f.write_str(
                "the configured limit, since more than 1 % was stopped and would have taken longer",
            ),
            Why::TooFew => write!(f, "the configured limit, since {ENOUGH} executions are needed"),
        }
    }
}

/// Suggests a limit; `configured` is the one that holds otherwise, or none. Never below [`FLOOR`], unless the configured
/// one is, and never above the configured one.
pub(crate) fn suggest(observed: Observed, configured: Option<Duration>) -> Suggestion {
    let stays = |why| Suggestion { limit: configured, why };
    if observed.samples < ENOUGH {
        return stays(Why::TooFew);
    }
    let Some(p99) = observed.p99 else { return stays(Why::CutOff) };
    let multiple = p99.saturating_mul(FACTOR);
    let limit = multiple.max(FLOOR);
    match configured {
        Some(configured) if configured <= limit => stays(Why::Configured),
        _ if multiple < FLOOR => Suggestion { limit: Some(limit), why: Why::Floor },
        _ => Suggestion { limit: Some(limit), why: Why::Multiple },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn observed(samples: u64, cut_off: u64, p99: Option<u32>) -> Observed {
        Observed { samples, cut_off, p99: p99.map(|ms| MS * ms) }
    }

    #[test]
    fn each_reason_has_its_case() {
        let configured = Some(MS * 30_000);
        for (observed, configured, limit, why) in [
            (observed(ENOUGH, 0, Some(500)), configured, Some(MS * 2_000), Why::Multiple),
            (observed(ENOUGH, 0, Some(500)), None, Some(MS * 2_000), Why::Multiple),
            (observed(ENOUGH, 0, Some(3)), configured, Some(FLOOR), Why::Floor),
            (observed(ENOUGH, 0, Some(3)), Some(MS * 100), Some(MS * 100), Why::Configured),
            (observed(ENOUGH, 0, Some(7_500)), configured, configured, Why::Configured),
            (observed(ENOUGH, 9, None), configured, configured, Why::CutOff),
            (observed(ENOUGH, 9, None), None, None, Why::CutOff),
            (observed(ENOUGH - 1, 0, Some(500)), configured, configured, Why::TooFew),
        ] {
            assert_eq!(
                suggest(observed, configured),
                Suggestion { limit, why },
                "{observed:?} {configured:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_below_the_floor_and_never_above_what_is_configured(
            samples in 0_u64..10_000,
            p99 in prop::option::of(0_u32..100_000),
            configured in prop::option::of(1_u32..100_000),
        ) {
            let configured = configured.map(|ms| MS * ms);
            let suggested = suggest(observed(samples, 0, p99), configured).limit;
            if let (Some(suggested), Some(configured)) = (suggested, configured) {
                prop_assert!(suggested <= configured);
                prop_assert!(suggested >= FLOOR.min(configured));
            }
            prop_assert!(suggested.is_none_or(|suggested| configured.is_some() || suggested >= FLOOR));
        }
    }
}
