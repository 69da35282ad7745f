//! An end that always comes, in three steps with a limit each.
//!
//! *Drain*: nothing is lent any more, waiters are sent away, and whoever holds a connection may finish, up to
//! `close_timeout`. *Cancel*: whatever still runs then is stopped on the server, confirmed, and its caller told; a COMMIT
//! is let finish, and so is what is being made clean. That takes `reclaim_timeout` at the most, and is left out where
//! nothing runs. *End*: connections that are still out are closed under their holders.

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
    /// Callers that waited for a connection and were sent away.
    pub sent_away: usize,
    /// Statements that were stopped on the server, because they ran on when the time to drain was over.
    pub cancelled: usize,
    /// Connections that were closed under their holders, because they did not come back even then.
    pub ended: usize,
    /// How long it took.
    pub took: Duration,
}

/// Sends waiters away, closes what idles, waits for what is lent, stops what goes on, and ends what does not come back.
///
/// Called again while it goes on, or after it, it waits for the same end.
pub(super) async fn close<M: Manage>(inner: &Arc<Inner<M>>) -> Shutdown {
    let began = Instant::now();
    let (wakers, closed) = inner.slots.lock().close();
    let mut report = Shutdown { sent_away: wakers.len(), ..Shutdown::default() };
    wakers.into_iter().for_each(Waker::wake);
    drop(closed);
    if timeout_at(began + inner.plan.close_timeout(), emptied(inner)).await.is_err() {
        let manager = &inner.manager;
        // What comes home meanwhile is closed, so this can hit nobody else.
        let mut is_worth_a_wait = false;
        for (handle, who) in held(inner) {
            is_worth_a_wait |= manager.is_busy(&handle);
            if manager.begin_stop(&handle) {
                manager.stop(&handle, who.as_ref(), StopReason::Shutdown);
                report.cancelled += 1;
            }
        }
        if is_worth_a_wait || report.cancelled > 0 {
            let _ = timeout_at(Instant::now() + inner.plan.reclaim_timeout(), emptied(inner)).await;
        }
        let left = held(inner);
        report.ended = left.len();
        left.iter().for_each(|(handle, _)| manager.abandon(handle));
    }
    inner.watchdog.alarm.notify_one();
    report.took = began.elapsed();
    report
}

/// What is still out, and for whom.
fn held<M: Manage>(inner: &Inner<M>) -> Vec<(M::Handle, Option<WorkName>)> {
    let slots = inner.slots.lock();
    slots
        .slots
        .iter()
        .filter(|slot| matches!(slot.state, SlotState::Lent | SlotState::Returning))
        .filter_map(|slot| {
            Some((slot.handle.clone()?, slot.lease.as_ref().map(|lease| lease.who.name.clone())))
        })
        .collect()
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
