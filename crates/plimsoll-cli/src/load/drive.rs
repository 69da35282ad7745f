//! The open loop: calls are begun when they are due, whatever became of those before them.
//!
//! A thread of its own keeps the schedule, since a runtime's timer has whole milliseconds, in which a fast database answers twice.
//! The time of a call runs from the moment at which it was due. As many are in flight as may be; one that is due beyond that is
//! counted as skipped and never begun: a call that is put off instead would hide what it waited for.

use super::schedule::{Schedule, Turns};
use super::tally::{End, Ended, Parts, Tally};
use anyhow::{Context, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the thread sleeps at most before it looks whether it is to stop.
const NAP: Duration = Duration::from_millis(50);
/// How long after its own limit a call may take to notice.
const GRACE: Duration = Duration::from_secs(2);
/// How long calls in flight are waited for once the run is interrupted.
const LAST: Duration = Duration::from_millis(500);

/// What makes a call.
pub(super) trait Caller: Clone + Send + Sync + 'static {
    /// Makes one, to the target of this number, and gives it up after this time.
    fn call(&self, target: usize, within: Duration) -> impl Future<Output = (End, Option<Parts>)> + Send;
}

/// What a round needs besides its schedule.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Calls at a time.
    pub(super) in_flight: usize,
    /// Of each call.
    pub(super) timeout: Duration,
    /// Of the round.
    pub(super) length: Duration,
}

/// Makes the calls of one round and waits for their ends. What has been counted can be looked at in the meantime.
///
/// # Errors
/// The thread that keeps the schedule cannot be had.
///
/// # Cancel safety
/// Dropped, the calls go on until `stop` says so or its sender is gone.
pub(super) async fn round<C: Caller>(
    caller: C,
    pace: Pace,
    schedule: Schedule,
    turns: Turns,
    tally: Arc<Mutex<Tally>>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let (runtime, counted, stopped, limits) =
        (Handle::current(), Arc::clone(&tally), stop.clone(), pace.clone());
    let begun = tokio::task::spawn_blocking(move || {
        begin(&caller, &limits, schedule, turns, &counted, &stopped, &runtime)
    });
    let mut calls = begun.await.context("the schedule was not kept")?;
    let rest = timeout(pace.timeout + GRACE, async { while calls.join_next().await.is_some() {} });
    tokio::select! {
        _ = rest => {}
        _ = stop.wait_for(|stop| *stop) => {
            let _ = timeout(LAST, async { while calls.join_next().await.is_some() {} }).await;
        }
    }
    calls.shutdown().await;
    tally.lock().close();
    Ok(())
}

/// Begins each call when it is due.
fn begin<C: Caller>(
    caller: &C,
    pace: &Pace,
    schedule: Schedule,
    mut turns: Turns,
    tally: &Arc<Mutex<Tally>>,
    stop: &watch::Receiver<bool>,
    runtime: &Handle,
) -> JoinSet<()> {
    let (began, mut calls) = (Instant::now(), JoinSet::new());
    for at in schedule {
        let due = began + at;
        if !is_due(due, stop) {
            break;
        }
        while calls.try_join_next().is_some() {}
        let target = turns.next();
        let is_begun = calls.len() < pace.in_flight;
        tally.lock().due(target, is_begun);
        if is_begun {
            let share = at.as_secs_f64() / pace.length.as_secs_f64().max(f64::MIN_POSITIVE);
            let call = Due { target, due, at: share, round_ends: began + pace.length, within: pace.timeout };
            calls.spawn_on(one(caller.clone(), call, Arc::clone(tally)), runtime);
        }
    }
    calls
}

/// Waits for this moment; no if the run is to stop before it.
fn is_due(due: Instant, stop: &watch::Receiver<bool>) -> bool {
    loop {
        // The sender is gone: no task waits for the figures any more.
        if *stop.borrow() || stop.has_changed().is_err() {
            return false;
        }
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NAP));
    }
}

/// One call that is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    target: usize,
    due: Instant,
    /// As a share of the round.
    at: f64,
    round_ends: Instant,
    within: Duration,
}

async fn one<C: Caller>(caller: C, call: Due, tally: Arc<Mutex<Tally>>) {
    let Due { target, due, at, round_ends, within } = call;
    let late = due.elapsed();
    let (end, parts) = caller.call(target, within).await;
    let now = Instant::now();
    let since_due = now.saturating_duration_since(due);
    let is_in_round = now <= round_ends;
    tally.lock().ended(&Ended { target, end, since_due, late, parts, is_in_round, at });
}
