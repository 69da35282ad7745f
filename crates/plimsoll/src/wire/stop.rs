//! Stops what runs on a connection, and returns when it is certain that nothing runs any more.
//!
//! A cancel names a connection and not a statement, so a late cancel hits the statement that runs there next. Therefore a
//! cancel that was sent is never given up. It goes on in a task of its own, even if the task that waited for it is gone.
//! Until it has come to its end (the server closes the cancel's connection once the signal is out), nothing else is sent
//! on the connection that it is meant for. If its end is never known, that connection is discarded.

use super::cancel;
use super::cancel::Target;
use super::link::{Activity, Link};
use super::session_state::Front;
use crate::moment::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How long a cancel may be under way before its connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// The pause between two cancels of the same statement.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a stop waits before it cancels: a borrower who gave something up may use the driver's own client next.
const HOLD: Duration = Duration::from_millis(2);

/// The cancels of one connection, and what must happen before anything else is sent.
pub(super) struct Cancels {
    /// Cancels that are under way: while there are any, nothing else may run on the connection.
    under_way: AtomicU32,
    /// A cancel was sent, so an empty statement goes before the next: a late signal hits that one.
    owes_barrier: AtomicBool,
    /// When our last cancel was under way, as the number of a moment.
    last: AtomicU64,
    /// A task waits until what was given up is stopped.
    is_awaited: AtomicBool,
    /// Only one stop at a time, and no statement while one is under way.
    turn: tokio::sync::Mutex<()>,
    pub(super) target: Target,
    /// Bounds the cancels of the whole pool that are under way at the same time.
    permits: Arc<Semaphore>,
}

impl Cancels {
    pub(super) fn new(target: Target, permits: Arc<Semaphore>) -> Self {
        Cancels {
            under_way: AtomicU32::new(0),
            owes_barrier: AtomicBool::new(false),
            last: AtomicU64::new(0),
            is_awaited: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
            target,
            permits,
        }
    }

    pub(super) fn owe_barrier(&self) {
        self.owes_barrier.store(true, Ordering::SeqCst);
    }

    /// What was given up just now is not awaited yet.
    pub(super) fn begin_unawaited(&self) {
        self.is_awaited.store(false, Ordering::SeqCst);
    }

    fn are_under_way(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) > 0
    }
}

/// How an attempt to stop what runs has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopResult {
    /// Nothing runs, and no cancel is under way.
    Quiet,
    /// The connection is gone.
    Closed,
    /// Something still runs after the limit.
    StillRunning,
}

/// How much is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What was given up. What other tasks on the lease still wait for goes on.
    GivenUp,
    /// Everything that goes on: the lease has ended.
    Everything,
}

impl Link {
    /// Stops what was given up on this connection, and returns when that is certain.
    ///
    /// It sends a cancel, waits for the end of that, and sends another while the statement goes on: the first may have
    /// come before the statement began. It sends none once the statement is answered, nor for a statement behind it that
    /// was not given up. A COMMIT or ROLLBACK is never cancelled, only waited for.
    ///
    /// It does nothing unless something was given up since the last stop ended.
    ///
    /// # Cancel safety
    /// Dropping it stops the stopping; [`Link::needs_settling`] stays true.
    pub(crate) async fn stop(self: &Arc<Self>, until: Instant, extent: Extent) -> StopResult {
        self.cancels.is_awaited.store(true, Ordering::SeqCst);
        self.watchers.notify();
        let Ok(_turn) = timeout_at(until, self.cancels.turn.lock()).await else {
            return StopResult::StillRunning;
        };
        let mut pause = Duration::from_millis(20);
        // The request that was cancelled last, and when it may be cancelled again.
        let mut sent_for = None;
        let mut is_patient = true;
        loop {
            if self.is_closed() {
                return StopResult::Closed;
            }
            if self.is_stopped(extent) {
                return StopResult::Quiet;
            }
            // The server does not know a request that still waits in the client: let that go out first.
            let sent = (Instant::now() + pause).min(until);
            let _ = timeout_at(sent, self.wait_for(|link| link.activity() == Activity::Idle)).await;
            // The server looks for no cancel while it waits for rows.
            let is_unfed = self.state.copying().is_in() && !self.may_be_fed();
            let number = self.to_be_cancelled(is_patient).filter(|_| !is_unfed && !self.is_being_cancelled());
            let is_due = |number| match sent_for {
                Some((last, again)) => last != number || Instant::now() >= again,
                None => true,
            };
            if is_unfed && self.activity() == Activity::Idle {
                self.abort();
            } else if let Some(number) = number.filter(|number| is_due(*number)) {
                self.cancel(number, until).await;
                sent_for = Some((number, Instant::now() + AGAIN));
            }
            let again = (Instant::now() + pause).min(until);
            let last = sent_for.map(|(last, _)| last);
            let is_news = |link: &Link| {
                let next = || link.to_be_cancelled(is_patient).is_some_and(|next| Some(next) != last);
                link.is_stopped(extent) || (!is_unfed && !link.is_being_cancelled() && next())
            };
            let _ = timeout_at(again, self.wait_for(is_news)).await;
            if Instant::now() >= until && !self.is_stopped(extent) {
                return StopResult::StillRunning;
            }
            is_patient = false;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Stops what was given up, in a task of its own. The borrower may be about to use the driver's own client, and that
    /// is to be known first; so it waits a moment, unless another task comes to wait for the stop.
    pub(crate) async fn stop_aside(self: &Arc<Self>, until: Instant) {
        let _ = timeout_at(Instant::now() + HOLD, self.wait_for(Link::is_awaited)).await;
        let _ = self.stop(until, Extent::GivenUp).await;
    }

    /// Stops everything on a connection whose client is gone, and ends the connection by `until` at the latest. The driver
    /// alone would wait for the answers for as long as they take, and would keep a backend for that long.
    pub(crate) async fn end_by(self: &Arc<Self>, until: Instant) {
        self.abandon();
        let _ = self.stop(until, Extent::Everything).await;
        let _ = timeout_at(until, self.wait_for(Link::is_closed)).await;
        self.abort();
    }

    fn is_stopped(&self, extent: Extent) -> bool {
        let has_ended = match extent {
            Extent::GivenUp => self.has_nothing_given_up(),
            Extent::Everything => self.is_quiet() && self.has_nothing_given_up(),
        };
        has_ended && !self.is_being_cancelled()
    }

    fn is_being_cancelled(&self) -> bool {
        self.cancels.are_under_way()
    }

    /// Whether a task waits for the stop, so that the stop need not wait for a raw use any more.
    fn is_awaited(&self) -> bool {
        self.cancels.is_awaited.load(Ordering::SeqCst) || self.has_followers()
    }

    /// Whether something must be stopped, or a barrier sent, before the next statement.
    #[inline]
    pub(crate) fn needs_settling(&self) -> bool {
        self.is_abandoned() || self.owes_barrier()
    }

    /// Whether an empty statement must be sent before the next one.
    #[inline]
    pub(crate) fn owes_barrier(&self) -> bool {
        self.cancels.owes_barrier.load(Ordering::Acquire)
    }

    /// The empty statement has been answered.
    pub(crate) fn barrier_passed(&self) {
        self.cancels.owes_barrier.store(false, Ordering::Release);
    }

    /// Whether a cancel of ours, meant for something that was given up, was on its way at that time or later.
    pub(crate) fn was_cancelled_since(&self, began: Moment) -> bool {
        self.cancels.last.load(Ordering::Acquire) >= began.number()
    }

    /// Sends one cancel and waits until this time for its end. The cancel goes on in any case.
    async fn cancel(self: &Arc<Self>, number: u64, until: Instant) {
        let turn = Arc::clone(&self.cancels.permits).acquire_owned();
        let Ok(Ok(turn)) = timeout_at(until, turn).await else { return };
        // While it waited for its turn the statement may have ended by itself.
        if !self.is_next(number) {
            return;
        }
        self.cancels.owe_barrier();
        let link = Arc::clone(self);
        let is_still_wanted = move || {
            let is_next = link.is_next(number);
            // Where a whole lease is stopped, no statement is hit by mistake.
            if is_next && link.is_of_one(number) {
                link.cancels.last.store(Moment::now().number(), Ordering::Release);
            }
            is_next
        };
        let cancel = UnderWay::new(Arc::clone(self), turn);
        let _ = timeout_at(until, tokio::spawn(cancel.send(is_still_wanted))).await;
    }

    /// Cancels what runs on this lease, if the lease has not ended. Says whether the server has acted on the cancel.
    ///
    /// # Cancel safety
    /// If this is dropped, a cancel that was sent goes on, and the next statement waits for it.
    pub(crate) async fn cancel_on(self: &Arc<Self>, lease: u64) -> bool {
        let link = Arc::clone(self);
        self.cancel_if(move || link.lease() == lease && link.state.front() == Front::Work).await.is_some()
    }

    /// Cancels the request behind which so many are answered, if it still runs and is no COMMIT or ROLLBACK. `None` if the
    /// server has not acted on the cancel; else whether there was anything to cancel.
    ///
    /// # Cancel safety
    /// As [`Link::cancel_on`].
    pub(crate) async fn cancel_behind(self: &Arc<Self>, answered: u64) -> Option<bool> {
        let link = Arc::clone(self);
        self.cancel_if(move || link.state.front() == Front::Work && link.state.settled() == answered).await
    }

    async fn cancel_if(
        self: &Arc<Self>,
        is_still_wanted: impl Fn() -> bool + Send + 'static,
    ) -> Option<bool> {
        let turn = Arc::clone(&self.cancels.permits).acquire_owned().await.ok()?;
        let mut cancel = UnderWay::new(Arc::clone(self), turn);
        // In this order: the task that gives the connection back sees one or the other.
        self.cancels.owe_barrier();
        if !is_still_wanted() {
            cancel.is_confirmed = true;
            return Some(false);
        }
        tokio::spawn(cancel.send(is_still_wanted)).await.unwrap_or(false).then_some(true)
    }
}

/// One cancel, from before it is sent until its end is known.
struct UnderWay {
    link: Arc<Link>,
    is_confirmed: bool,
    _turn: OwnedSemaphorePermit,
}

impl UnderWay {
    fn new(link: Arc<Link>, turn: OwnedSemaphorePermit) -> Self {
        link.cancels.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay { link, is_confirmed: false, _turn: turn }
    }

    async fn send(mut self, is_still_wanted: impl FnOnce() -> bool + Send + 'static) -> bool {
        let (target, state) = (&self.link.cancels.target, &self.link.state);
        let pid = state.pid();
        let until = Instant::now() + CANCEL_LIMIT;
        let acted_on =
            match timeout_at(until, cancel::send(target, pid, state.secret(), is_still_wanted)).await {
                Ok(Ok(Some(mut sent))) => {
                    let acted_on = timeout_at(until, sent.until_acted_on()).await;
                    if acted_on.is_err() {
                        sent.leave();
                    }
                    acted_on
                }
                other => other.map(|sent| sent.map(drop)),
            };
        match acted_on {
            Ok(Ok(())) => self.is_confirmed = true,
            Ok(Err(error)) => {
                tracing::warn!(target: "plimsoll", pid, %error, "a cancel request did not reach {target}");
            }
            Err(_) => {
                tracing::warn!(target: "plimsoll", pid, "a cancel request to {target} was not answered in time");
            }
        }
        self.is_confirmed
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_confirmed {
            // The signal may still be on its way.
            self.link.doom();
        }
        self.link.cancels.under_way.fetch_sub(1, Ordering::SeqCst);
        self.link.watchers.notify();
    }
}
