//! Profiles: named sets of values, for an author who knows the kind of the program but not yet its numbers.
//!
//! There are three questions, and a profile answers one of them: how big is the pool (`service`, `probe`), what does
//! it connect to (`direct`, `pooler`), and how long may things take (`development`, `production`, `high-load`). One
//! profile for each question may be named, in any order; two for the same question contradict each other and are
//! refused.
//!
//! A profile is weaker than any value that was set, whether that was set before or after the profile was named,
//! because the meaning of a configuration should not depend on the order in which it is read. A profile of pace names
//! only the three durations that its users know; the limits that depend on them follow (see `order.rs`).

use std::time::Duration;

use super::Settings;
use super::duration::Limit;
use super::problem::Problem;
use super::words::{PoolerMode, Profile};

/// What a profile answers; the answer to a later question is stronger if two name the same setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Connection,
    Size,
    Pace,
}

impl Profile {
    fn question(self) -> Question {
        match self {
            Self::Direct | Self::Pooler => Question::Connection,
            Self::Service | Self::Probe => Question::Size,
            Self::Development | Self::Production | Self::HighLoad => Question::Pace,
        }
    }

    /// The values that it stands for.
    pub fn settings(self) -> Settings {
        let none = Settings::default();
        let pace = |query, connect, pool| {
            none.clone()
                .statement_timeout(Duration::from_secs(query))
                .connect_timeout(Duration::from_secs(connect))
                .pool_timeout(Duration::from_secs(pool))
        };
        match self {
            Self::Service => none.pool_min(2).pool_max(10).max_overflow(0),
            Self::Probe => none.pool_min(1).pool_max(5).max_overflow(0),
            Self::Direct => (none.pooler(PoolerMode::None).pool_max(10).max_overflow(20))
                .max_lifetime(Duration::from_secs(1_800))
                .check_after_idle(Duration::from_secs(1)),
            Self::Pooler => (none.pooler(PoolerMode::Transaction).pool_max(2).max_overflow(5))
                .max_lifetime(Duration::from_secs(300))
                .check_after_idle(Limit::Off),
            Self::Development => pace(10, 5, 10),
            Self::Production => pace(30, 10, 30),
            Self::HighLoad => pace(60, 15, 45),
        }
    }
}

/// The values of the named profiles together; the connection profile is the weakest.
///
/// `implied` takes its place if no connection profile was named, except for `pooler` itself: that was set already, or
/// is only a guess that the first connect confirms or not.
pub(super) fn combined(named: &[Profile], implied: Option<Profile>) -> Settings {
    let weakest = match implied {
        Some(profile) if !names_connection(named) => Settings { pooler: None, ..profile.settings() },
        _ => Settings::default(),
    };
    let mut profiles = named.to_vec();
    profiles.sort_by_key(|profile| profile.question());
    profiles.into_iter().fold(weakest, |weaker, profile| profile.settings().or(weaker))
}

/// Whether a connection profile was named.
pub(super) fn names_connection(named: &[Profile]) -> bool {
    named.iter().any(|profile| profile.question() == Question::Connection)
}

/// The problems of two different answers to one question.
pub(super) fn contradictions(named: &[Profile]) -> impl Iterator<Item = Problem> {
    let rivals = named.iter().enumerate().flat_map(|(place, second)| {
        let earlier = named.iter().take(place);
        earlier.map(move |first| (*first, *second))
    });
    rivals.filter(|(first, second)| first != second && first.question() == second.question()).map(
        |(first, second)| {
            Problem::new(
                "profile",
                format!("{first} and {second}"),
                "one profile each for size, connection and pace",
                format!("leave out {first} or {second}"),
            )
        },
    )
}
