//! Stops a request on the server: when its limit came, or when its caller no longer waits.
//!
//! A COMMIT is never stopped, since it may have happened already; it is let finish. Everything else is cancelled, and the
//! cancel is confirmed before anything else runs on the connection.

use super::executor::{Answered, Executor, Sent};
use crate::call::postgres::Connection;
use crate::error::{Outcome, Phase, Result};
use crate::event::{Event, StopReason};
use crate::fault::Fault;
use crate::name::WorkName;
use crate::wire::stop::Extent;
use futures_util::future;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Even when the deadline has passed, a cancel gets this long to be confirmed.
const SHORTEST_GRACE: Duration = Duration::from_millis(50);

/// Stops a request on the server when it is dropped before its answer came.
pub(crate) struct StopOnDrop<'a> {
    connection: &'a Connection,
    work: &'a WorkName,
    pub(super) sent: Sent,
    phase: Phase,
    /// The answer came, or the request was stopped already: nothing is left to stop.
    is_over: bool,
    /// The stop was told as an event already.
    is_told: bool,
    /// The request's messages are those behind this number, up to where the next caller's begin.
    behind: u64,
}

impl<'a> StopOnDrop<'a> {
    pub(super) fn new(executor: &Executor<'a>, phase: Phase, sent: Sent, behind: u64) -> Self {
        let Executor { connection, work, .. } = *executor;
        StopOnDrop { connection, work, sent, phase, is_over: false, is_told: false, behind }
    }

    /// The request has ended by itself.
    pub(super) fn disarm(&mut self) {
        self.is_over = true;
    }

    /// Stops the request now, and not when this is dropped.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        tell_stopped(self.connection, self.work, reason);
        self.give_up(true);
    }

    /// A COMMIT is let finish, and its outcome is told by an event; everything else is stopped.
    fn give_up(&self, is_told: bool) {
        if self.phase == Phase::Commit {
            self.connection.link.orphan_commit(self.work.to_string(), self.sent.mark);
        } else {
            give_up(self.connection, self.work, is_told, Some(self.behind));
        }
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.give_up(self.is_told);
        }
    }
}

impl Executor<'_> {
    /// Stops a request whose limit came, and listens on meanwhile: a statement that finishes just then has happened.
    pub(super) async fn stop<T>(
        &self,
        request: Pin<&mut impl Future<Output = T>>,
        reason: StopReason,
        mut stop_on_drop: StopOnDrop<'_>,
    ) -> Result<Answered<T>> {
        let link = &self.connection.link;
        let (phase, sent) = (stop_on_drop.phase, stop_on_drop.sent);
        let now = Instant::now();
        let grace = self.connection.server.plan.reclaim_timeout();
        let until = self
            .confirm_by
            .map_or(now + grace, |deadline| deadline.instant().max(now + SHORTEST_GRACE).min(now + grace));
        // A COMMIT is not stopped; its caller only stops waiting.
        if phase != Phase::Commit {
            tell_stopped(self.connection, self.work, reason);
        }
        link.abandon_behind(stop_on_drop.behind);
        let (_, answer) =
            future::join(link.stop(until, Extent::GivenUp), timeout_at(until, link.sending(request))).await;
        if let Ok(answer) = answer {
            stop_on_drop.disarm();
            self.told();
            return Ok(Answered { answer, stopped: Some(reason), sent });
        }
        // It was told above; dropping the guard goes on stopping the request.
        stop_on_drop.is_told = true;
        let outcome = self.lost(phase, sent);
        if outcome == Outcome::RolledBack {
            // The caller is told that it was rolled back, and it may still finish well: its COMMIT is refused from here
            // on.
            link.doom();
        }
        Err(self.error(
            self.fault_of_stop(reason),
            phase,
            outcome,
            format!(
                "{phase} of {} was stopped after {:.1} s because {reason}, and the server has not confirmed it",
                self.work,
                sent.began.elapsed().as_secs_f64()
            ),
        ))
    }

    /// The fault of a statement that was stopped for this reason.
    pub(super) fn fault_of_stop(&self, reason: StopReason) -> Fault {
        match reason {
            StopReason::Deadline if self.is_transaction_limit => Fault::TransactionTimeout,
            StopReason::Deadline | StopReason::Dropped => Fault::DeadlinePassed,
            StopReason::Shutdown => Fault::PoolClosed,
            StopReason::Limit => Fault::StatementTimeout,
        }
    }
}

fn tell_stopped(connection: &Connection, work: &WorkName, reason: StopReason) {
    connection.server.events.tell(Event::Stopped { work: work.to_string(), pid: connection.pid(), reason });
}

/// Abandons what was sent on this connection, and stops it; where callers share the lease, only what lies behind a number.
pub(crate) fn give_up(connection: &Connection, work: &WorkName, is_told: bool, behind: Option<u64>) {
    let link = &connection.link;
    if link.is_quiet() || link.is_closed() {
        return;
    }
    match behind {
        Some(behind) => link.abandon_behind(behind),
        None => link.abandon(),
    }
    if !is_told {
        tell_stopped(connection, work, StopReason::Dropped);
    }
    let limit = connection.server.plan.reclaim_timeout();
    let link = Arc::clone(link);
    connection.server.runtime.spawn(async move { link.stop_aside(Instant::now() + limit).await });
}
