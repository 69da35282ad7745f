//! Calls at fixed times, whatever became of the earlier ones, and a server that stops in the midst of them.
//!
//! The load is open: the world outside a service does not wait with its next request until the last one was answered.
//! A closed load (so many tasks, each with one call at a time) would send ten calls into an outage of ten seconds and
//! report ten slow ones; this one sends two thousand. The time of a call runs from the moment at which it was made,
//! before its task has had a turn, so whatever keeps the runtime busy counts too. By how much calls were made later
//! than their schedule is a figure of its own; where it is more than a few milliseconds, the load was not what it says.

use super::freeze::freeze;
use super::samples::{Findings, Marks, Sample};
use crate::peers::Preparing;
use crate::race::quantile;
use anyhow::{Context, Result};
use plimsoll::{Database, deadline};
use sqlx::postgres::PgPool;
use std::convert::Infallible;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep_until, timeout};

/// 200 a second.
const INTERVAL: Duration = Duration::from_millis(5);
/// What a request may take, with all that it waits for.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// A call that has not ended this long after the last was made will never end.
const STUCK: Duration = Duration::from_secs(15);
pub const SQL: &str = "select 1";

/// What is done to the server.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub warm_up: Duration,
    pub freeze: Duration,
    pub after: Duration,
}

/// A pool, and one request on it.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Takes a connection and asks, within the deadline; a failure in a word or two.
    fn call(&self) -> impl Future<Output = Result<(), &'static str>> + Send;

    /// Lets go of its connections.
    fn close(self) -> impl Future<Output = ()> + Send;
}

const NO_CONNECTION: &str = "no connection";
const FAILED: &str = "statement failed";

/// The time limit as everybody without one puts it around a call.
async fn in_time(work: impl Future<Output = Result<(), &'static str>> + Send) -> Result<(), &'static str> {
    timeout(DEADLINE, work).await.unwrap_or(Err("deadline"))
}

impl Caller for Database {
    async fn call(&self) -> Result<(), &'static str> {
        let answer = deadline::within(DEADLINE, self.query_one(SQL, &[])).await;
        answer.map(drop).map_err(|error| error.code())
    }

    async fn close(self) {
        Database::close(&self).await;
    }
}

impl Caller for deadpool_postgres::Pool {
    async fn call(&self) -> Result<(), &'static str> {
        in_time(async {
            let client = self.get().await.map_err(|_| NO_CONNECTION)?;
            let statement = client.prepare_cached(SQL).await.map_err(|_| FAILED)?;
            client.query_one(&statement, &[]).await.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {
        deadpool_postgres::Pool::close(&self);
    }
}

impl Caller for bb8::Pool<Preparing> {
    async fn call(&self) -> Result<(), &'static str> {
        in_time(async {
            let connection = self.get().await.map_err(|_| NO_CONNECTION)?;
            let statement = connection.statements.first().ok_or(FAILED)?;
            connection.client.query_one(statement, &[]).await.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {}
}

impl Caller for PgPool {
    async fn call(&self) -> Result<(), &'static str> {
        in_time(async {
            let mut connection = self.acquire().await.map_err(|_| NO_CONNECTION)?;
            let answer = sqlx::query_scalar::<_, i32>(SQL).fetch_one(&mut *connection).await;
            answer.map(drop).map_err(|_| FAILED)
        })
        .await
    }

    async fn close(self) {
        // It waits for whoever still holds one.
        let _ = timeout(STUCK, PgPool::close(&self)).await;
    }
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
            let answer = caller.call().await;
            Sample { called: called - began, answered: began.elapsed(), failure: answer.err() }
        });
        lateness.push((called - due).as_secs_f64() * 1000.0);
        due += INTERVAL;
    }
}

/// Freezes the server and thaws it again, at their times.
async fn direct(began: Instant, postmaster: u32, plan: Plan) -> Result<Marks> {
    sleep_until((began + plan.warm_up).into()).await;
    let frozen_server = spawn_blocking(move || freeze(postmaster)).await??;
    let frozen = began.elapsed();
    sleep_until((began + frozen + plan.freeze).into()).await;
    let thawed = spawn_blocking(move || {
        let thawed = began.elapsed();
        drop(frozen_server);
        thawed
    })
    .await?;
    sleep_until((began + thawed + plan.after).into()).await;
    Ok(Marks { frozen, thawed, ended: began.elapsed() })
}
