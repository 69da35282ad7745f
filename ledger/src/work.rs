//! Workers: one call after another, or calls at fixed times whatever became of the earlier ones.

use crate::client::{Client, Lane};
use crate::log::Log;
use crate::op::{Deed, Op};
use parking_lot::RwLock;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A pool that answers no within a microsecond would fill the log with nothing else.
pub(crate) const AFTER_A_NO: Duration = Duration::from_millis(5);
const MORE_WITH_RETRIES: usize = 8;
/// Beyond that more would only wait for each other.
const MOST_WORKERS: usize = 120;

/// What calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// What is done, each as often as it stands there.
    pub(crate) ops: &'static [Op],
    /// How many do it, one call after another.
    pub(crate) workers: usize,
    /// Calls in a second beside them, whatever became of the earlier ones.
    pub(crate) beside: u32,
    /// How long callers wait, in milliseconds: one of these.
    pub(crate) patience: &'static [u64],
    /// Whether callers leave, at any await.
    pub(crate) leaves: bool,
}

impl Load {
    /// Callers that try again spend most of their time waiting to do so, so there are more of them.
    pub(crate) fn of(self, lane: Lane) -> Self {
        let times = if lane.retries() { MORE_WITH_RETRIES } else { 1 };
        Load { workers: (self.workers * times).min(MOST_WORKERS.max(self.workers)), ..self }
    }
}

/// One lane while it works: its pool, which may be another one in the middle, and its log.
pub(crate) struct Desk {
    pub(crate) client: RwLock<Arc<dyn Client>>,
    pub(crate) log: Log,
}

impl Desk {
    pub(crate) fn new(client: Arc<dyn Client>) -> Arc<Self> {
        Arc::new(Desk { client: RwLock::new(client), log: Log::default() })
    }

    /// The pool as it is now.
    pub(crate) fn client(&self) -> Arc<dyn Client> {
        Arc::clone(&self.client.read())
    }

    /// What is done next.
    pub(crate) fn next(&self, load: &Load, dice: &mut fastrand::Rng) -> Deed {
        let op = dice.choice(load.ops).copied().unwrap_or(Op::Insert);
        let patience = dice.choice(load.patience).copied().unwrap_or(1_000);
        let ids = self.log.ids(op);
        self.log.asks(op, &ids);
        Deed { op, ids, patience: Duration::from_millis(patience), dice: dice.u32(..) }
    }

    /// One call; says whether it went well.
    async fn call(&self, deed: Deed, polls: Option<u32>) -> bool {
        let client = self.client();
        let began = Instant::now();
        match polls {
            None => {
                let ends = client.act(&deed).await;
                self.log.tells(&deed, began, &ends);
                ends.contains(&plimsoll_faults::ledger::End::Acknowledged)
            }
            Some(polls) => {
                if let Some(ends) = left_early(client.act(&deed), polls).await {
                    self.log.tells(&deed, began, &ends);
                } else {
                    self.log.is_left(&deed.ids);
                }
                true
            }
        }
    }
}

/// Everybody of one lane, until told to stop (those beside, until the trouble is over, which they are themselves); ends
/// when all have their answers.
///
/// Dropped before it is done, those under way are dropped too.
pub(crate) async fn drive(
    desk: Arc<Desk>,
    load: Load,
    seed: u64,
    over: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
) {
    let mut crowd = JoinSet::new();
    for worker in 0..load.workers {
        let dice = fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(worker as u64));
        crowd.spawn(one_after_another(Arc::clone(&desk), load, dice, stop.clone()));
    }
    if load.beside > 0 {
        crowd.spawn(at_fixed_times(desk, load, fastrand::Rng::with_seed(seed), over));
    }
    while crowd.join_next().await.is_some() {}
}

async fn one_after_another(
    desk: Arc<Desk>,
    load: Load,
    mut dice: fastrand::Rng,
    stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let deed = desk.next(&load, &mut dice);
        let polls = (load.leaves && dice.bool()).then(|| dice.u32(0..12));
        if !desk.call(deed, polls).await {
            sleep(AFTER_A_NO).await;
        }
    }
}

async fn at_fixed_times(desk: Arc<Desk>, load: Load, mut dice: fastrand::Rng, over: watch::Receiver<bool>) {
    let mut calls = JoinSet::new();
    let interval = Duration::from_secs(1) / load.beside;
    let mut due = Instant::now();
    while !*over.borrow() {
        let deed = desk.next(&load, &mut dice);
        let desk = Arc::clone(&desk);
        calls.spawn(async move { desk.call(deed, None).await });
        while calls.try_join_next().is_some() {}
        due += interval;
        tokio::time::sleep_until(due.into()).await;
    }
    while calls.join_next().await.is_some() {}
}

/// The work's answer, or nothing if it had to be looked at more often than that: its caller has left, wherever it was.
async fn left_early<T>(work: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}
