//! Calls at fixed times, whatever became of the earlier ones, and a server that stops in the midst of them.
//!
//! The load is open: the world outside a service does not wait with its next request until the last one was answered.
//! A closed load (so many tasks, each with one call at a time) would send ten calls into an outage of ten seconds and
//! report ten slow ones; this one sends two thousand. The time of a call runs from the moment at which it was made,
//! before its task has had a turn, so whatever keeps the runtime busy counts too. By how much calls were made later
//! than their schedule is a figure of its own; where it is more than a few milliseconds, the load was not what it says.

use super::samples::{Findings, Marks, Sample};
use crate::caller::{Ask, Caller, STUCK};
use crate::race::quantile;
use anyhow::{Context, Result};
use plimsoll_faults::Process;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// 200 a second.
const INTERVAL: Duration = Duration::from_millis(5);
pub const SQL: &str = "select 1";
const ASK: Ask = Ask { sql: SQL, limit: Duration::from_secs(2), at_most: None };

/// What is done to the server.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub warm_up: Duration,
    pub freeze: Duration,
    pub after: Duration,
}

/// Runs one drill, in a task of its own: what is spawned from inside the runtime need not wake another thread first.
pub async fn drill(caller: &impl Caller, postmaster: u32, plan: Plan) -> Result<Findings> {
    tokio::spawn(run(caller.clone(), postmaster, plan)).await?
}

async fn run(caller: impl Caller, postmaster: u32, plan: Plan) -> Result<Findings> {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    let mut lateness = Vec::new();
    let marks = tokio::select! {
        marks = direct(began, postmaster, plan) => marks?,
        never = send(&caller, began, &mut calls, &mut lateness) => match never {},
    };
    let mut samples = Vec::with_capacity(calls.len());
    timeout(STUCK, async {
        while let Some(sample) = calls.join_next().await {
            samples.push(sample?);
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
    .with_context(|| format!("calls had no answer {STUCK:?} after the last was made"))??;
    Ok(Findings::of(&samples, marks, quantile(&lateness, 0.99)))
}

/// Makes the calls, by a schedule that nothing moves: after a hold-up it makes at once all that are due.
async fn send(
    caller: &impl Caller,
    began: Instant,
    calls: &mut JoinSet<Sample>,
    lateness: &mut Vec<f64>,
) -> Infallible {
    let mut due = began;
    loop {
        sleep_until(due.into()).await;
        let caller = caller.clone();
        let called = Instant::now();
        calls.spawn(async move {
            let answer = caller.call(ASK).await;
            Sample { called: called - began, answered: began.elapsed(), failure: answer.err() }
        });
        lateness.push((called - due).as_secs_f64() * 1000.0);
        due += INTERVAL;
    }
}

/// Freezes the server and thaws it again, at their times.
async fn direct(began: Instant, postmaster: u32, plan: Plan) -> Result<Marks> {
    sleep_until((began + plan.warm_up).into()).await;
    let server = Process::attach_tree(postmaster)?;
    server.freeze().await?;
    let frozen = began.elapsed();
    sleep_until((began + frozen + plan.freeze).into()).await;
    let thawed = began.elapsed();
    server.thaw()?;
    sleep_until((began + thawed + plan.after).into()).await;
    Ok(Marks { frozen, thawed, ended: began.elapsed() })
}
