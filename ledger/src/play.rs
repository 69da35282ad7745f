//! One fault, one seed: from the first call to the verdict.
//!
//! The end is the part that must be right. First everything is made whole. Callers go on for a while, so that what was
//! broken shows whether it mends, then they stop and come to their answers. Then each lane settles what it was not told:
//! its pool is closed, it waits until no connection and no session of the lane is left (`stage/quiet.rs` says why a lock
//! is not enough), and looks its ids up through a pool that it opens anew. Then those pools are closed too, and nobody
//! else may be connected to the server any more, since a transaction that still runs could store something behind the
//! back of whoever counts; only then are the tables read.

use crate::client::{Lane, SIZE};
use crate::fault::Fault;
use crate::figures::{Count, Times};
use crate::op::Op;
use crate::stage::{Stage, Track, Way};
use crate::trouble::{Life, Lives, Scene};
use crate::work::{Desk, drive};
use anyhow::{Context, Result, anyhow, bail};
use plimsoll_faults::ledger::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many more acknowledged calls show that a lane has mended, and how long it may take to.
const MENDED: u64 = 20;
const MENDING: Duration = Duration::from_secs(5);
/// A call that has not ended so long after its worker was told to stop will never end.
const STUCK: Duration = Duration::from_secs(20);
const LOOK_LATER: Duration = Duration::from_millis(300);
/// How often a lane looks for what it was not told, before it cannot.
const LOOKS: usize = 2 * SIZE;
const CLOSING: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What is to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// What goes wrong.
    pub fault: Fault,
    /// What stands between the programs and their server.
    pub way: Way,
    /// Who takes part, side by side.
    pub lanes: Vec<Lane>,
    /// For how long it goes wrong.
    pub span: Duration,
    /// The program of this crate, which [`Fault::ProgramKilled`] kills and [`Fault::ClockJump`] stops.
    pub program: Option<PathBuf>,
}

/// What came of one lane.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// By operation.
    pub counts: BTreeMap<Op, Count>,
    /// To an answer.
    pub times: Times,
    /// By how much the latest answer came after its caller's patience; with retries that is no lateness.
    pub latest: Duration,
    /// Whether calls went well again once everything was whole.
    pub has_mended: bool,
    /// How often its pooler died by itself and was started again.
    pub pooler_deaths: u64,
    /// Ids that are lost, doubled or phantoms, with their operation.
    pub lies: Vec<(Op, u64)>,
}

impl Played {
    /// Everything together.
    #[must_use]
    pub fn total(&self) -> Count {
        self.counts.values().fold(Count::default(), |sum, count| sum.and(count))
    }
}

impl Play {
    /// Plays it once; the same seed sets the dice of the troubles and of the callers alike.
    ///
    /// # Errors
    /// The stage could not be set, or a trouble not be made; what came of the lanes is never an error.
    ///
    /// # Cancel safety
    /// Dropped, the server is stopped and nothing is left.
    pub async fn once(&self, seed: u64) -> Result<BTreeMap<Lane, Played>> {
        let mut stage = Stage::set(self.fault, self.way, &self.lanes, seed).await?;
        let mut desks = Vec::new();
        for track in &stage.tracks {
            desks.push(Desk::new(track.lane.open(&stage.place(track)).await?));
        }
        let (has_mended, found) = tokio::select! {
            done = self.until_settled(&stage, &desks, seed) => done?,
            never = stage.keep_poolers() => bail!("the poolers are looked after no longer: {never:?}"),
        };
        let deaths = stage.deaths();
        let stored = stage.stored().await?;
        let mut played = BTreeMap::new();
        for (at, (lane, desk)) in self.lanes.iter().zip(&desks).enumerate() {
            let stored = stored.get(at).context("a lane without its table")?;
            let found = found.get(at).and_then(Option::as_ref);
            let has_mended = has_mended.get(at).copied().unwrap_or(false);
            let pooler_deaths = deaths.get(at).copied().unwrap_or_default();
            played.insert(*lane, Played { has_mended, pooler_deaths, ..judge(desk, stored, found) });
        }
        drop(desks);
        stage.strike().await?;
        Ok(played)
    }

    /// Everything but the counting: says of each lane whether it has mended, and what it found of what it was not told.
    async fn until_settled(
        &self,
        stage: &Stage,
        desks: &[Arc<Desk>],
        seed: u64,
    ) -> Result<(Vec<bool>, Vec<Option<BTreeSet<i64>>>)> {
        let has_mended = self.work(stage, desks, seed).await?;
        let mut found = Vec::new();
        for (track, desk) in stage.tracks.iter().zip(desks) {
            found.push(settled(stage, track, desk).await);
            // A pool that does not end by then loses its connections with the poolers, or to the server.
            let _ = timeout(CLOSING, desk.client().close()).await;
        }
        Ok((has_mended, found))
    }

    /// Callers and trouble together, then the healing; says of each lane whether it has mended.
    async fn work(&self, stage: &Stage, desks: &[Arc<Desk>], seed: u64) -> Result<Vec<bool>> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let lives = Arc::new(Lives::default());
        let mut crowd = JoinSet::new();
        for (track, desk) in stage.tracks.iter().zip(desks) {
            let mut stopped = stopped.clone();
            match self.fault {
                // They are started by the trouble, again and again.
                Fault::ProgramKilled => {}
                Fault::ClockJump => {
                    let life = Life::of(self.program.as_deref(), stage, track, desk, seed)?;
                    let lives = Arc::clone(&lives);
                    let end = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
                    crowd.spawn(async move { life.until(&lives, end).await });
                }
                _ => {
                    let (load, desk) = (self.fault.load().of(track.lane), Arc::clone(desk));
                    let calls = drive(desk, load, seed, ended.clone(), stopped);
                    crowd.spawn(async move {
                        calls.await;
                        Ok(())
                    });
                }
            }
        }
        let until = Instant::now() + self.span;
        let scene = Scene { stage, desks, seed, until, program: self.program.as_deref(), lives: &lives };
        scene.play(self.fault).await.with_context(|| format!("{}, seed {seed}", self.fault.id()))?;
        end.send_replace(true);
        stage.heal().await?;
        let has_mended =
            if self.fault == Fault::ProgramKilled { vec![true; desks.len()] } else { mend(desks).await };
        stop.send_replace(true);
        let answers = async {
            while let Some(ended) = crowd.join_next().await {
                ended??;
            }
            Ok(has_mended.clone())
        };
        // Whoever is stuck is dropped with the crowd, and the log says that nobody was told.
        timeout(STUCK, answers).await.unwrap_or(Ok(has_mended.clone()))
    }
}

/// Whether each lane acknowledges again.
async fn mend(desks: &[Arc<Desk>]) -> Vec<bool> {
    let healed: Vec<u64> = desks.iter().map(|desk| desk.log.acknowledged()).collect();
    let until = Instant::now() + MENDING;
    loop {
        let goes_on = |(desk, before): (&Arc<Desk>, &u64)| desk.log.acknowledged() >= before + MENDED;
        let mended: Vec<bool> = desks.iter().zip(&healed).map(goes_on).collect();
        if mended.iter().all(|mended| *mended) || Instant::now() > until {
            return mended;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What a lane finds of the ids that it was not told about, once nothing of it is at work any more; nothing if it cannot
/// look.
async fn settled(stage: &Stage, track: &Track, desk: &Desk) -> Option<BTreeSet<i64>> {
    let unknown = desk.log.unknown();
    if unknown.is_empty() {
        return Some(BTreeSet::new());
    }
    match looked_up(stage, track, desk, &unknown).await {
        Ok(found) => Some(found),
        Err(why) => {
            eprintln!("{}: what was not told could not be looked up: {why:#}", track.lane.name());
            None
        }
    }
}

async fn looked_up(stage: &Stage, track: &Track, desk: &Desk, unknown: &[i64]) -> Result<BTreeSet<i64>> {
    // A pool that does not close by then is not waited for: its sessions are.
    let _ = timeout(CLOSING, desk.client().close()).await;
    stage.quiet(track).await?;
    *desk.client.write() = track.lane.open(&stage.place(track)).await?;
    // The first connections that a pooler lends may still be those that broke.
    let mut last = None;
    for _ in 0..LOOKS {
        match timeout(STUCK, desk.client().find(unknown)).await {
            Ok(Ok(found)) => return Ok(found.into_iter().collect()),
            Ok(Err(error)) => {
                last = Some(error);
                sleep(LOOK_LATER).await;
            }
            Err(_) => {}
        }
    }
    Err(last.unwrap_or_else(|| anyhow!("no look came back within {STUCK:?}")))
}

fn judge(desk: &Desk, stored: &[i64], found: Option<&BTreeSet<i64>>) -> Played {
    let rows: BTreeSet<i64> = stored.iter().copied().collect();
    let mut counts: BTreeMap<Op, Count> = BTreeMap::new();
    let mut lies = Vec::new();
    for (op, verdict) in desk.log.verdicts(stored) {
        lies.extend(verdict.lies.iter().map(|id| (op, *id)));
        counts.insert(op, count(&verdict));
    }
    if let Some(found) = found {
        for id in desk.log.unknown() {
            let Some((op, count)) = desk.log.op_of(id).and_then(|op| Some((op, counts.get_mut(&op)?))) else {
                continue;
            };
            // A look that said otherwise than it is in the end is a lie like any other.
            match (found.contains(&id), rows.contains(&id)) {
                (true, false) => count.lost += 1,
                (false, true) => count.phantoms += 1,
                _ => {
                    count.settled += 1;
                    continue;
                }
            }
            lies.push((op, id.cast_unsigned()));
        }
    }
    let times = Times::of(&desk.log.waits());
    Played { counts, times, latest: desk.log.latest(), lies, ..Played::default() }
}

fn count(verdict: &Verdict) -> Count {
    Count {
        attempts: verdict.attempts,
        acknowledged: verdict.acknowledged,
        refused: verdict.refused,
        failed: verdict.failed,
        unknown: verdict.unknown,
        settled: 0,
        lost: verdict.lost,
        phantoms: verdict.phantoms,
        doubled: verdict.doubled,
        untold: verdict.unanswered + verdict.repeated + verdict.strangers,
    }
}

#[cfg(test)]
mod tests;
