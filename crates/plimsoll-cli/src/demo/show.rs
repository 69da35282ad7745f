//! The two lanes on their stage, from the first request to the last figure.
//!
//! The end is the part that must be right. First everything is made whole, and the load stops; then the requests under
//! way come to their answers; then both pools are closed; then nobody else may be connected to the server any more,
//! since a transaction that still runs could store something behind the back of whoever counts; only then is the ledger
//! read.

use super::lane::{Lane, Times};
use super::load::{Pace, drive};
use super::options::Plan;
use super::request::{self, Caller, GUARDED, PLAIN};
use super::stage::Stage;
use anyhow::Result;
use plimsoll::Database;
use plimsoll_faults::ledger::Verdict;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Everything that runs.
pub(super) struct Show {
    /// The lanes, the plain one first.
    pub(super) lanes: [Arc<Lane>; 2],
    /// When the first request was made.
    pub(super) began: Instant,
    // Before the stage: requests and pools end before their server does.
    loads: JoinSet<()>,
    stop: watch::Sender<bool>,
    pace: watch::Sender<Pace>,
    usual: Pace,
    rush: Pace,
    plain: deadpool_postgres::Pool,
    guarded: Database,
    /// What may be broken.
    pub(super) stage: Stage,
}

/// What came of a lane.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// The lane.
    pub(super) name: &'static str,
    /// Told against stored.
    pub(super) verdict: Verdict,
    /// How long callers waited.
    pub(super) times: Times,
    /// What went wrong, the most frequent first.
    pub(super) errors: Vec<(Cow<'static, str>, u64)>,
}

impl Show {
    /// Starts the server and both loads. Dropped before it is done, nothing is left.
    pub(super) async fn begin(plan: &Plan) -> Result<Self> {
        let stage = Stage::set(2 * plan.pool).await?;
        let [first, second] = stage.ports();
        let plain = request::plain(stage.cluster(), first, plan.pool)?;
        let guarded = request::guarded(stage.cluster(), second, plan.pool, plan.rate).await?;
        let began = Instant::now();
        let lanes = [PLAIN, GUARDED].map(|name| Arc::new(Lane::new(name, began)));
        let (stop, stopped) = watch::channel(false);
        let (usual, rush) = (Pace::usual(plan.rate), Pace::rush(plan.pool));
        let (pace, paced) = watch::channel(usual);
        let mut loads = JoinSet::new();
        let [one, two] = &lanes;
        loads.spawn(drive(plain.clone(), Arc::clone(one), paced.clone(), stopped.clone()));
        loads.spawn(drive(guarded.clone(), Arc::clone(two), paced, stopped));
        Ok(Show { lanes, began, loads, stop, pace, usual, rush, plain, guarded, stage })
    }

    /// How long it has run.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Requests that come in a second now, on each lane.
    pub(super) fn rate(&self) -> u32 {
        self.pace.borrow().rate
    }

    /// Whether more comes than can be served.
    pub(super) fn is_rush(&self) -> bool {
        self.pace.borrow().labour.is_some()
    }

    /// Lets more come than can be served, or as much as on an ordinary day; says what that is.
    pub(super) fn rushes(&mut self, is_rush: bool) -> String {
        let pace = if is_rush { self.rush } else { self.usual };
        self.pace.send_replace(pace);
        self.stage.rushes(is_rush);
        match pace.labour {
            Some(labour) => format!(
                "five times the capacity: {} requests a second, each of which holds a connection for {} ms",
                pace.rate,
                labour.as_millis()
            ),
            None => format!("the rush is over: {} requests a second", pace.rate),
        }
    }

    /// Makes everything whole, stops the load, counts, and stops the server.
    ///
    /// Dropped before it is done, requests are dropped and the server is stopped.
    pub(super) async fn end(mut self) -> Result<Vec<Figures>> {
        self.stop.send_replace(true);
        self.stage.lift_everything().await?;
        while let Some(ended) = self.loads.join_next().await {
            ended?;
        }
        Caller::close(&self.plain).await;
        Caller::close(&self.guarded).await;
        let mut figures = Vec::new();
        for lane in &self.lanes {
            let stored = self.stage.stored(lane.name).await?;
            let (attempts, log) = lane.log();
            figures.push(Figures {
                name: lane.name,
                verdict: Verdict::of(attempts, &log, stored),
                times: lane.times(),
                errors: lane.glance(Instant::now()).errors,
            });
        }
        self.stage.strike().await?;
        Ok(figures)
    }
}
