//! Stopping what runs on a connection, so that it is certain.
//!
//! A cancel names a connection and not a statement, so one that is late hits whatever runs there next. Therefore a
//! cancel that was sent is never given up: it goes on in a task of its own, whoever stops waiting for it, and until it
//! has come to its end (the server closes the cancel's connection once the signal is out) nothing else is sent on the
//! connection that it is meant for. One whose end is never known costs that connection.

use super::cancel;
use super::link::{Activity, Link};
use super::seen::Front;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// How long a cancel may be under way before its connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// After a cancel it takes so long before the same statement is cancelled again.
const AGAIN: Duration = Duration::from_millis(100);

/// How long it is waited whether whoever gave something up uses the driver's own client next.
const HOLD: Duration = Duration::from_millis(2);

/// How an attempt to stop whatever runs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nothing runs, and no cancel is under way.
    Quiet,
    /// The connection is gone.
    Closed,
    /// It still runs after the limit.
    StillRunning,
}

/// How much is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What was given up; what others on the lease still wait for goes on.
    GivenUp,
    /// All that goes on: the lease has ended.
    Everything,
}

impl Link {
    /// Stops what was given up on this connection, and returns when that is certain.
    ///
    /// A cancel is sent, waited for to its end, and sent again while the statement goes on: the first may have come
    /// before the statement began. None is sent once it is answered, nor for what stands behind it and is still wanted. A
    /// COMMIT or ROLLBACK is never cancelled, only waited for.
    ///
    /// Does nothing unless something was given up since the last stop ended.
    ///
    /// # Cancel safety
    /// Dropping it stops the stopping; [`Link::needs_settling`] stays true.
    pub(crate) async fn stop(self: &Arc<Self>, until: Instant, extent: Extent) -> Stopped {
        self.want();
        let Ok(_turn) = timeout_at(until, self.turn.lock()).await else {
            return Stopped::StillRunning;
        };
        let mut pause = Duration::from_millis(20);
        // The last that was cancelled, and when it may be once more.
        let mut sent_for = None;
        let mut is_patient = true;
        loop {
            if self.is_closed() {
                return Stopped::Closed;
            }
            if self.is_stopped(extent) {
                return Stopped::Quiet;
            }
            // A request that still waits in the client is not known to the server: let it go out first.
            let sent = (Instant::now() + pause).min(until);
            let _ = timeout_at(sent, self.wait_for(|link| link.activity() == Activity::Idle)).await;
            // A cancel would not be looked at while the server waits for rows.
            let is_unfed = self.seen.copying().is_in() && !self.may_be_fed();
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
                return Stopped::StillRunning;
            }
            is_patient = false;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Stops on the side what nobody waits for. Whoever gave it up may be about to use the driver's own client, which is
    /// to be known first; unless the connection is wanted meanwhile.
    pub(crate) async fn stop_aside(self: &Arc<Self>, until: Instant) {
        let _ = timeout_at(Instant::now() + HOLD, self.wait_for(Link::is_wanted)).await;
        let _ = self.stop(until, Extent::GivenUp).await;
    }

    /// Its client is gone, and something may still go on: that is stopped, and what has not ended by then is ended. The
    /// driver alone would wait for its answers for as long as they take, and keep a backend for that long.
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
        self.cancels_out.load(Ordering::SeqCst) > 0
    }

    /// Sends one cancel and waits for its end, until this time; it goes on in any case.
    async fn cancel(self: &Arc<Self>, number: u64, until: Instant) {
        let turn = Arc::clone(&self.cancels).acquire_owned();
        let Ok(Ok(turn)) = timeout_at(until, turn).await else { return };
        // While it waited for its turn the statement may have ended by itself.
        if !self.is_next(number) {
            return;
        }
        self.barrier_owed.store(true, Ordering::Release);
        let link = Arc::clone(self);
        let is_still_wanted = move || {
            let is_next = link.is_next(number);
            // Where all of a lease is stopped nobody is struck by mistake.
            if is_next && link.is_of_one(number) {
                link.note_cancel();
            }
            is_next
        };
        let cancel = UnderWay::new(Arc::clone(self), turn);
        let _ = timeout_at(until, tokio::spawn(cancel.send(is_still_wanted))).await;
    }

    /// Cancels whatever runs on this lease, if it has not ended; says whether the server has acted on it.
    ///
    /// # Cancel safety
    /// Dropped, a cancel that was sent goes on, and whatever is sent next waits for it.
    pub(crate) async fn cancel_on(self: &Arc<Self>, lease: u64) -> bool {
        let Ok(turn) = Arc::clone(&self.cancels).acquire_owned().await else { return false };
        let mut cancel = UnderWay::new(Arc::clone(self), turn);
        // In this order: whoever gives the connection back sees one or the other.
        self.barrier_owed.store(true, Ordering::SeqCst);
        let link = Arc::clone(self);
        let is_still_wanted = move || link.lease() == lease && link.seen.front() == Front::Work;
        if !is_still_wanted() {
            cancel.is_confirmed = true;
            return true;
        }
        tokio::spawn(cancel.send(is_still_wanted)).await.unwrap_or(false)
    }
}

/// One cancel from before it is sent until its end is known.
struct UnderWay {
    link: Arc<Link>,
    is_confirmed: bool,
    _turn: OwnedSemaphorePermit,
}

impl UnderWay {
    fn new(link: Arc<Link>, turn: OwnedSemaphorePermit) -> Self {
        link.cancels_out.fetch_add(1, Ordering::SeqCst);
        UnderWay { link, is_confirmed: false, _turn: turn }
    }

    async fn send(mut self, is_still_wanted: impl FnOnce() -> bool + Send + 'static) -> bool {
        let Link { target, seen, .. } = &*self.link;
        let pid = seen.pid();
        let until = Instant::now() + CANCEL_LIMIT;
        let acted_on =
            match timeout_at(until, cancel::send(target, pid, seen.secret(), is_still_wanted)).await {
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
            // It may still be on its way.
            self.link.doom();
        }
        self.link.cancels_out.fetch_sub(1, Ordering::SeqCst);
        self.link.changed.notify_waiters();
    }
}
