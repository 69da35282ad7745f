//! Upkeep: closes connections that are too old, idle for too long, dead or swollen, and keeps the minimum open.

use super::{Inner, Manage, connects};
use crate::moment::Moment;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Runs until the pool is gone.
pub(super) async fn run<M: Manage>(pool: Weak<Inner<M>>) {
    loop {
        let period = {
            let Some(inner) = pool.upgrade() else { return };
            if inner.slots.lock().is_closed() {
                return;
            }
            tidy(&inner);
            period(&inner)
        };
        tokio::time::sleep(period).await;
    }
}

/// Often enough that no limit is passed by more than a tenth, but not more often than every 50 ms.
fn period<M: Manage>(inner: &Inner<M>) -> Duration {
    let shortest = [inner.plan.idle_timeout(), inner.plan.max_lifetime()].into_iter().flatten().min();
    shortest
        .map_or(Duration::from_secs(1), |limit| limit / 10)
        .clamp(Duration::from_millis(50), Duration::from_secs(1))
}

/// One round of upkeep.
pub(crate) fn tidy<M: Manage>(inner: &Arc<Inner<M>>) {
    let now = Moment::now();
    let (reaped, events) = {
        let is_dead = |handle: &M::Handle| inner.manager.is_dead(handle);
        let silent_for = |handle: &M::Handle| inner.manager.silent_for(handle, now.instant());
        let mut slots = inner.slots.lock();
        let due: Vec<_> = slots.refusals.due(now).collect();
        slots.events.extend(due);
        let events = std::mem::take(&mut slots.events);
        let mut reaped = slots.reap(now, inner.plan.idle_timeout(), is_dead, silent_for);
        reaped.extend(slots.take_swollen(|handle| inner.manager.is_swollen(handle, now.instant())));
        (reaped, events)
    };
    events.into_iter().for_each(|event| inner.events.tell(event));
    if !reaped.is_empty() {
        inner.changed.notify_waiters();
    }
    drop(reaped);
    connects::refill(inner);
}
