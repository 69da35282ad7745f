//! Closing a pool: an end that always comes, in three steps with a limit each. Connects under way are given up first.
//!
//! *Drain*: nothing is lent any more, waiters are refused, and a caller that holds a connection may finish, up to
//! `close_timeout`. *Cancel*: statements that still run then are stopped on the server, that is confirmed, and their
//! callers are told; a COMMIT may finish, and so may a connection that is being made clean. That takes
//! `reclaim_timeout` at the most, and is left out where nothing runs. *End*: connections that are still lent are closed
//! under their holders.

use super::{Inner, Manage};
use crate::event::StopReason;
use crate::name::WorkName;
use crate::rules::slots::SlotState;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How a pool came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Callers that waited for a connection and were refused.
    pub sent_away: usize,
    /// Statements that were stopped on the server, because they still ran when the time to drain was over.
    pub cancelled: usize,
    /// Connections that were closed under their holders, because they were not given back even then.
    pub ended: usize,
    /// How long it took.
    pub took: Duration,
}

impl Shutdown {
    /// The end of two pools that were closed at the same time.
    pub(crate) fn and(self, other: Shutdown) -> Shutdown {
        Shutdown {
            sent_away: self.sent_away + other.sent_away,
            cancelled: self.cancelled + other.cancelled,
            ended: self.ended + other.ended,
            took: self.took.max(other.took),
        }
    }
}

/// Refuses the waiters, closes idle connections, waits for those that are lent, stops what still runs, and ends what
/// does not come back.
///
/// `within` bounds the whole, and shortens the steps where their own limits are longer: stopping what still runs comes
/// first, because that is what frees the server, and draining gets what it leaves.
///
/// Called again meanwhile, or afterwards, it waits for the same end.
pub(super) async fn close<M: Manage>(inner: &Arc<Inner<M>>, within: Duration) -> Shutdown {
    let began = Instant::now();
    let to_stop = inner.plan.reclaim_timeout().min(within);
    let to_drain = inner.plan.close_timeout().min(within - to_stop);
    let (wakers, closed) = inner.slots.lock().close();
    let mut report = Shutdown { sent_away: wakers.len(), ..Shutdown::default() };
    wakers.into_iter().for_each(Waker::wake);
    drop(closed);
    inner.changed.notify_waiters();
    if timeout_at(began + to_drain, emptied(inner)).await.is_err() {
        let manager = &inner.manager;
        // A connection that is given back meanwhile is closed, so this can hit no other work.
        let mut is_worth_a_wait = false;
        for (handle, who) in held(inner) {
            is_worth_a_wait |= manager.is_busy(&handle);
            if manager.begin_stop(&handle) {
                manager.stop(&handle, who.as_ref(), StopReason::Shutdown);
                report.cancelled += 1;
            }
        }
        if is_worth_a_wait || report.cancelled > 0 {
            let _ = timeout_at(Instant::now() + to_stop, emptied(inner)).await;
        }
        let left = held(inner);
        report.ended = left.len();
        left.iter().for_each(|(handle, _)| manager.abandon(handle));
    }
    inner.alarm.ring();
    report.took = began.elapsed();
    report
}

/// What is still lent or returning, and the name of its holder.
fn held<M: Manage>(inner: &Inner<M>) -> Vec<(M::Handle, Option<WorkName>)> {
    let slots = inner.slots.lock();
    slots
        .slots
        .iter()
        .filter(|slot| matches!(slot.state, SlotState::Lent | SlotState::Returning))
        .filter_map(|slot| {
            Some((slot.handle.clone()?, slot.holder.as_ref().map(|holder| holder.name.clone())))
        })
        .collect()
}

impl<M: Manage> Inner<M> {
    /// Waits until the pool is closed.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.slots.lock().is_closed() {
                return;
            }
            changed.await;
        }
    }
}

async fn emptied<M: Manage>(inner: &Arc<Inner<M>>) {
    loop {
        let changed = inner.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        if inner.slots.lock().total() == 0 {
            return;
        }
        changed.await;
    }
}
