//! Stopping what runs on a connection, so that it is certain.
//!
//! A cancel names a connection and not a statement, so one that is late hits whatever runs there next. Therefore a
//! cancel that was sent is never given up: it goes on in a task of its own, whoever stops waiting for it, and until it
//! has come to its end (the server closes the cancel's connection once the signal is out) nothing else is sent on the
//! connection that it is meant for. One whose end is never known costs that connection.

use super::cancel;
use super::link::{Activity, Link};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a cancel may be under way before its connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

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

impl Link {
    /// Stops whatever runs on this connection, and returns when that is certain.
    ///
    /// A cancel is sent, waited for to its end, and sent again while the statement goes on: the first may have come
    /// before the statement began. A COMMIT or ROLLBACK is never cancelled, only waited for.
    ///
    /// Does nothing unless [`Link::abandon`] was called since the last stop ended.
    ///
    /// # Cancel safety
    /// Dropping it stops the stopping; [`Link::needs_settling`] stays true.
    pub(crate) async fn stop(self: &Arc<Self>, until: Instant) -> Stopped {
        let Ok(_turn) = timeout_at(until, self.turn.lock()).await else {
            return Stopped::StillRunning;
        };
        // Whoever had the turn before may have stopped it; what runs by now is somebody's honest work.
        if !self.abandoned.load(Ordering::Acquire) && !self.is_closed() {
            return Stopped::Quiet;
        }
        let mut pause = Duration::from_millis(20);
        loop {
            if self.is_closed() {
                return Stopped::Closed;
            }
            if self.is_stopped() {
                self.abandoned.store(false, Ordering::Release);
                return Stopped::Quiet;
            }
            // A request that still waits in the client is not known to the server: let it go out first.
            let sent = (Instant::now() + pause).min(until);
            let _ = timeout_at(sent, self.wait_for(|link| link.activity() == Activity::Idle)).await;
            if self.seen.owed_work() > 0 && !self.is_being_cancelled() {
                self.cancel(until).await;
            }
            let again = (Instant::now() + pause).min(until);
            let _ = timeout_at(again, self.wait_for(Link::is_stopped)).await;
            if Instant::now() >= until && !self.is_stopped() {
                return Stopped::StillRunning;
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Its client is gone, and something may still go on: that is stopped, and what has not ended by then is ended. The
    /// driver alone would wait for its answers for as long as they take, and keep a backend for that long.
    pub(crate) async fn end_by(self: &Arc<Self>, until: Instant) {
        self.abandon();
        let _ = self.stop(until).await;
        let _ = timeout_at(until, self.wait_for(Link::is_closed)).await;
        self.abort();
    }

    fn is_stopped(&self) -> bool {
        self.is_quiet() && !self.is_being_cancelled()
    }

    fn is_being_cancelled(&self) -> bool {
        self.cancels_out.load(Ordering::SeqCst) > 0
    }

    /// Sends one cancel and waits for its end, until this time; it goes on in any case.
    async fn cancel(self: &Arc<Self>, until: Instant) {
        let turn = Arc::clone(&self.cancels).acquire_owned();
        let Ok(Ok(turn)) = timeout_at(until, turn).await else { return };
        // While it waited for its turn the statement may have ended by itself.
        if self.seen.owed_work() == 0 {
            return;
        }
        self.barrier_owed.store(true, Ordering::Release);
        let cancel = UnderWay::new(Arc::clone(self), turn);
        let _ = timeout_at(until, tokio::spawn(cancel.send())).await;
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

    async fn send(mut self) {
        let Link { target, seen, .. } = &*self.link;
        let pid = seen.pid();
        match timeout(CANCEL_LIMIT, cancel::send(target, pid, seen.secret())).await {
            Ok(Ok(())) => self.is_confirmed = true,
            Ok(Err(error)) => {
                tracing::warn!(target: "plimsoll", pid, %error, "a cancel request did not reach {target}");
            }
            Err(_) => {
                tracing::warn!(target: "plimsoll", pid, "a cancel request to {target} was not answered in time");
            }
        }
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
