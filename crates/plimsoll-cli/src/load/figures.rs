//! What a load came to: the figures of each round, their spread, and all rounds together. It is also the baseline that a later run
//! is held against.

use super::baseline::Against;
use super::schedule::Arrivals;
use super::spread::Spread;
use super::tally::{Counts, Moment, Percentiles, Tally, Times};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The form of the report.
pub(super) const FORM: u32 = 1;

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A service, by HTTP.
    Http,
    /// A database, by SQL.
    Sql,
}

/// A target, and how often it has its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    pub(super) name: String,
    pub(super) weight: u32,
}

/// The load as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) targets: Vec<Share>,
    /// Calls a second.
    pub(super) rate: f64,
    pub(super) arrivals: Arrivals,
    pub(super) seed: u64,
    /// Of each round.
    pub(super) seconds: f64,
    pub(super) in_flight: usize,
    pub(super) timeout_ms: u64,
    /// Connections of the pool, where a database is called.
    pub(super) connections: Option<u32>,
}

/// One round. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Round {
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// Answered well within the round, a second.
    pub(super) throughput: f64,
    /// From the moment at which each was due, of calls that were answered well or timed out.
    pub(super) times_ms: Percentiles,
    /// The round in sixty parts, by when calls were due.
    pub(super) moments: Vec<Moment>,
}

/// A figure of several rounds, under the names of the percentiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spreads {
    pub(super) throughput: Spread,
    pub(super) p50_ms: Spread,
    pub(super) p90_ms: Spread,
    pub(super) p99_ms: Spread,
    pub(super) p999_ms: Spread,
    pub(super) max_ms: Spread,
}

/// One target over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) times_ms: Percentiles,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) schema_version: u32,
    pub(super) load: Load,
    /// It was interrupted: its last round is not whole.
    pub(super) is_partial: bool,
    pub(super) rounds: Vec<Round>,
    pub(super) spread: Spreads,
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// All rounds together.
    pub(super) times_ms: Percentiles,
    /// What calls waited for a connection of the pool, and how long they had it: of a database only.
    pub(super) waits_ms: Option<Percentiles>,
    pub(super) works_ms: Option<Percentiles>,
    /// How much later than due this program began its calls.
    pub(super) begun_late_ms: Percentiles,
    /// What came instead of answers.
    pub(super) kinds: BTreeMap<String, u64>,
    pub(super) targets: Vec<Target>,
    /// Held against an earlier run.
    #[serde(default, skip_deserializing)]
    pub(super) against: Option<Against>,
}

impl Report {
    /// `lengths` are those of the rounds as they were; the last one may be short.
    ///
    /// # Errors
    /// Never: see [`Times::new`].
    pub(super) fn of(load: Load, tallies: &[Tally], lengths: &[Duration], is_partial: bool) -> Result<Self> {
        let rounds: Vec<Round> =
            tallies.iter().zip(lengths).map(|(tally, length)| round(tally, *length)).collect();
        let merged = |of: fn(&Tally) -> &Times| -> Result<Percentiles> {
            let mut all = Times::new()?;
            for tally in tallies {
                all.merge(of(tally))?;
            }
            Ok(all.percentiles())
        };
        let (mut counts, mut kinds) = (Counts::default(), BTreeMap::new());
        for tally in tallies {
            counts.add(&tally.counts);
            for (kind, count) in &tally.kinds {
                *kinds.entry(kind.clone()).or_default() += count;
            }
        }
        let has_parts = tallies.iter().any(|tally| tally.has_parts);
        Ok(Report {
            schema_version: FORM,
            is_partial,
            spread: Spreads::of(&rounds),
            rounds,
            counts,
            times_ms: merged(|tally| &tally.times)?,
            waits_ms: has_parts.then(|| merged(|tally| &tally.waits)).transpose()?,
            works_ms: has_parts.then(|| merged(|tally| &tally.works)).transpose()?,
            begun_late_ms: merged(|tally| &tally.late)?,
            kinds,
            targets: targets(&load, tallies)?,
            load,
            against: None,
        })
    }

    /// The share of calls that did not end well, in percent of those that were due.
    pub(super) fn not_well(&self) -> f64 {
        let over = self.counts.due.saturating_sub(self.counts.unfinished);
        if over == 0 { 0.0 } else { self.counts.not_well() as f64 / over as f64 * 100.0 }
    }

    /// Whether this program, or its machine, was what took the time: it began calls late by a good part of what they took.
    pub(super) fn is_begun_late(&self) -> bool {
        self.begun_late_ms.p99 > 5.0 && self.begun_late_ms.p99 > self.times_ms.p99 / 10.0
    }
}

impl Spreads {
    fn of(rounds: &[Round]) -> Self {
        let of = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
        Spreads {
            throughput: of(|round| round.throughput),
            p50_ms: of(|round| round.times_ms.p50),
            p90_ms: of(|round| round.times_ms.p90),
            p99_ms: of(|round| round.times_ms.p99),
            p999_ms: of(|round| round.times_ms.p999),
            max_ms: of(|round| round.times_ms.max),
        }
    }

    /// The times, with their names.
    pub(super) fn times(&self) -> [(&'static str, &Spread); 5] {
        [
            ("p50", &self.p50_ms),
            ("p90", &self.p90_ms),
            ("p99", &self.p99_ms),
            ("p99.9", &self.p999_ms),
            ("max", &self.max_ms),
        ]
    }
}

fn round(tally: &Tally, length: Duration) -> Round {
    let seconds = length.as_secs_f64().max(f64::MIN_POSITIVE);
    Round {
        counts: tally.counts,
        throughput: tally.in_round as f64 / seconds,
        times_ms: tally.times.percentiles(),
        moments: tally.moments.clone(),
    }
}

fn targets(load: &Load, tallies: &[Tally]) -> Result<Vec<Target>> {
    let mut targets = Vec::with_capacity(load.targets.len());
    for (place, share) in load.targets.iter().enumerate() {
        let (mut counts, mut times) = (Counts::default(), Times::new()?);
        for of_target in tallies.iter().filter_map(|tally| tally.by_target.get(place)) {
            counts.add(&of_target.counts);
            times.merge(&of_target.times)?;
        }
        targets.push(Target { name: share.name.clone(), counts, times_ms: times.percentiles() });
    }
    Ok(targets)
}
