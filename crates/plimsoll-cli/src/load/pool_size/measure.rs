//! One size: a pool of so many connections that is always busy, and what it carries.
//!
//! The loop is closed: so many callers, each with its next call when the last one is answered. That is right here and wrong
//! elsewhere: what is looked for is how much the server does at most, not how long callers wait who come when they want to.

use crate::connect::Target;
use crate::load::database::{self, SqlCaller};
use crate::load::drive::Caller;
use crate::load::tally::{End, Ended, Tally};
use crate::load::work::Work;
use anyhow::Result;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

/// Before it, calls are made and not counted: the first ones on a connection prepare their statements.
const REHEARSAL: Duration = Duration::from_millis(500);
/// A caller whose call failed pauses, so that a server that refuses is not flooded.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the last calls are waited for before they are cancelled.
const LAST: Duration = Duration::from_secs(1);

/// How each size is measured.
#[derive(Clone, Debug)]
pub(super) struct Way<'a> {
    pub(super) target: &'a Target,
    pub(super) work: Work,
    /// Tasks that call without a pause.
    pub(super) callers: u32,
    pub(super) length: Duration,
    pub(super) timeout: Duration,
}

/// What a size came to in one round: the calls that ended within so long.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) tally: Tally,
    pub(super) span: Duration,
}

impl Measured {
    /// Calls a second.
    pub(super) fn throughput(&self) -> f64 {
        self.tally.counts.answered as f64 / self.span.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Way<'_> {
    /// Measures a size once.
    ///
    /// # Errors
    /// The server does not let so many connections in.
    pub(super) async fn measure(&self, size: u32, stop: watch::Receiver<bool>) -> Result<Measured> {
        let within = self.timeout.max(Duration::from_secs(10));
        let db = database::pool(self.target, size, within, true).await?;
        let caller = SqlCaller::new(db, vec![self.work.clone()]);
        let measured = self.keep_busy(&caller, stop).await;
        caller.close().await;
        measured
    }

    async fn keep_busy(&self, caller: &SqlCaller, mut stop: watch::Receiver<bool>) -> Result<Measured> {
        let tally = Arc::new(Mutex::new(Tally::new(1)?));
        let counted_from = Instant::now() + REHEARSAL.min(self.length / 4);
        let ends = counted_from + self.length;
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            callers.spawn(calls(caller.clone(), counted_from, ends, self.timeout, Arc::clone(&tally)));
        }
        tokio::select! {
            () = sleep_until(ends.into()) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let span = Instant::now().min(ends).saturating_duration_since(counted_from);
        let _ = timeout(LAST, async { while callers.join_next().await.is_some() {} }).await;
        callers.shutdown().await;
        let tally = tally.lock().clone();
        Ok(Measured { tally, span })
    }
}

async fn calls(
    caller: SqlCaller,
    counted_from: Instant,
    ends: Instant,
    within: Duration,
    tally: Arc<Mutex<Tally>>,
) {
    loop {
        let asked = Instant::now();
        let (end, parts) = caller.call(0, within).await;
        let now = Instant::now();
        if now >= ends {
            return;
        }
        let is_well = end == End::Answered;
        if now >= counted_from {
            let since_due = now.saturating_duration_since(asked);
            let late = Duration::ZERO;
            let ended = Ended { target: 0, end, since_due, late, parts, is_in_round: true, at: 0.0 };
            let mut tally = tally.lock();
            tally.due(0, true);
            tally.ended(&ended);
        }
        if !is_well {
            sleep(PAUSE).await;
        }
    }
}
