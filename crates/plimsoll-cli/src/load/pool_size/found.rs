//! What was found about the size of a pool, and what is concluded from it.

use super::knee::{Knee, Little, Point, knee, little, of_each};
use super::measure::Measured;
use crate::load::spread::Spread;
use crate::load::tally::{Counts, Percentiles, Times};
use anyhow::Result;
use plimsoll_inspect::room::Room;
use serde::Serialize;

/// One size over all rounds. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) size: u32,
    /// Calls a second.
    pub(super) throughput: Spread,
    /// Of a call from the caller's side.
    pub(super) times_ms: Percentiles,
    /// Of it, the wait for a connection.
    pub(super) waits_ms: Percentiles,
    /// Of it, the work on one.
    pub(super) works_ms: Percentiles,
    pub(super) answered: u64,
    /// Calls that did not end well.
    pub(super) not_well: u64,
}

impl Step {
    /// # Errors
    /// Never: see [`Times::new`].
    pub(super) fn of(size: u32, rounds: &[Measured]) -> Result<Self> {
        let (mut times, mut waits, mut works) = (Times::new()?, Times::new()?, Times::new()?);
        let mut counts = Counts::default();
        for round in rounds {
            times.merge(&round.tally.times)?;
            waits.merge(&round.tally.waits)?;
            works.merge(&round.tally.works)?;
            counts.add(&round.tally.counts);
        }
        Ok(Step {
            size,
            throughput: Spread::of(rounds.iter().map(Measured::throughput)),
            times_ms: times.percentiles(),
            waits_ms: waits.percentiles(),
            works_ms: works.percentiles(),
            answered: counts.answered,
            not_well: counts.not_well(),
        })
    }
}

/// The wanted load on a pool of the recommended size, as an open loop.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Tried {
    pub(super) size: u32,
    pub(super) throughput: Spread,
    pub(super) times_ms: Percentiles,
    pub(super) waits_ms: Percentiles,
    /// In percent of the calls that were due.
    pub(super) not_well: f64,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Found {
    pub(super) schema_version: u32,
    /// What each call ran.
    pub(super) work: String,
    /// It was interrupted.
    pub(super) is_partial: bool,
    pub(super) callers: u32,
    pub(super) rounds: u32,
    pub(super) seconds: f64,
    pub(super) within_percent: f64,
    pub(super) steps: Vec<Step>,
    /// The size that the server did not let in, and why.
    pub(super) refused: Option<(u32, String)>,
    pub(super) knee: Option<Knee>,
    /// At the wanted rate, or at what the knee carries.
    pub(super) little: Option<Little>,
    pub(super) tried: Option<Tried>,
    /// The connections that all instances together ought to have.
    pub(super) recommended: Option<u32>,
    pub(super) instances: u32,
    /// The pool of each of them.
    pub(super) of_each: Option<u32>,
    pub(super) room: Room,
    /// What all instances leave of the connections that an application may have; less than 0 where they are too many.
    pub(super) left: Option<i64>,
    /// The pooler in between.
    pub(super) through: Option<String>,
}

impl Found {
    /// Draws the conclusions from the steps.
    pub(super) fn conclude(&mut self) {
        let points: Vec<Point> = self
            .steps
            .iter()
            .map(|step| Point { size: step.size, throughput: step.throughput.middle })
            .collect();
        self.knee = knee(&points, self.within_percent / 100.0);
        let Some(knee) = self.knee else { return };
        let step = self.steps.iter().find(|step| step.size == knee.size);
        self.little = step.map(|step| little(knee.throughput, step.works_ms.mean));
        self.recommended = Some(knee.size);
        let of_each = of_each(knee.size, self.instances);
        self.of_each = Some(of_each);
        // Each pool has one connection more, for its heartbeat.
        let all = i64::from(self.instances) * (i64::from(of_each) + 1);
        self.left = Some(i64::try_from(self.room.usable()).unwrap_or(i64::MAX).saturating_sub(all));
    }
}
