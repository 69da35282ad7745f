//! Whether a device is there: ONLINE, STALE or OFFLINE, by how long ago it was heard of.
//!
//! The state is a rule over one time, [`last_seen_at`](store), and is worked out whenever it is read. So it cannot be wrong,
//! whatever becomes of the task that notes it ([`noting`]); that one only keeps since when a device has been in its state, for
//! those who have to be told of a change. [`DeviceState::at`] is the rule; a list that filters by it has the same in SQL
//! ([`StateLimits::sql_values`]), and a test compares the two.

pub mod noting;
pub mod store;

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Whether a device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It was heard of just now.
    Online,
    /// It was not heard of for longer than it may be silent.
    Stale,
    /// It was not heard of for so long that it is taken to be away, or was never heard of.
    Offline,
}

impl DeviceState {
    /// Every state.
    pub const ALL: [DeviceState; 3] = [DeviceState::Online, DeviceState::Stale, DeviceState::Offline];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceState::Online => "ONLINE",
            DeviceState::Stale => "STALE",
            DeviceState::Offline => "OFFLINE",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state at `now` of a device that was last heard of at `seen`.
    #[must_use]
    pub fn at(seen: Option<Timestamp>, now: Timestamp, limits: StateLimits) -> Self {
        let Some(seen) = seen else { return DeviceState::Offline };
        let silent = now.duration_since(seen);
        let within = |limit: Duration| SignedDuration::try_from(limit).is_ok_and(|limit| silent <= limit);
        match () {
            () if within(limits.online) => DeviceState::Online,
            () if within(limits.stale) => DeviceState::Stale,
            () => DeviceState::Offline,
        }
    }
}

/// How long a device may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// Up to so long it is ONLINE.
    pub online: Duration,
    /// Up to so long it is STALE, and OFFLINE after that.
    pub stale: Duration,
}

impl Default for StateLimits {
    fn default() -> Self {
        StateLimits { online: Duration::from_secs(30), stale: Duration::from_secs(15 * 60) }
    }
}

impl StateLimits {
    /// Both in seconds, as a statement takes them.
    #[must_use]
    pub fn sql_values(self) -> [f64; 2] {
        [self.online.as_secs_f64(), self.stale.as_secs_f64()]
    }
}

/// The limits, and how often changes are noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// How long a device may be silent.
    pub limits: StateLimits,
    /// How long the background waits before it looks again.
    pub poll: Duration,
}

impl Default for StateSettings {
    fn default() -> Self {
        StateSettings { limits: StateLimits::default(), poll: Duration::from_secs(5) }
    }
}

/// The state of a row `$row` of `device_state` (or of none) in SQL; the limits are two parameters of type `float8`.
macro_rules! state_sql {
    ($row:literal, $online:literal, $stale:literal) => {
        concat!(
            "CASE WHEN ",
            $row,
            ".last_seen_at >= now() - make_interval(secs => ",
            $online,
            ") THEN 'ONLINE'
                  WHEN ",
            $row,
            ".last_seen_at >= now() - make_interval(secs => ",
            $stale,
            ") THEN 'STALE'
                  ELSE 'OFFLINE' END"
        )
    };
}
pub(crate) use state_sql;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_belongs_to_the_better_state() {
        let now: Timestamp = "2025-06-15T12:00:00Z".parse().unwrap();
        let ago = |micros: i64| Some(now - SignedDuration::from_micros(micros));
        for (seen, state) in [
            (None, DeviceState::Offline),
            (ago(0), DeviceState::Online),
            // The clock of another server.
            (ago(-5_000_000), DeviceState::Online),
            (ago(30_000_000), DeviceState::Online),
            (ago(30_000_001), DeviceState::Stale),
            (ago(900_000_000), DeviceState::Stale),
            (ago(900_000_001), DeviceState::Offline),
        ] {
            assert_eq!(DeviceState::at(seen, now, StateLimits::default()), state, "{seen:?}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for state in DeviceState::ALL {
            assert_eq!(DeviceState::parse(state.as_str()), Some(state));
        }
        assert_eq!(DeviceState::parse("online"), None);
    }
}
