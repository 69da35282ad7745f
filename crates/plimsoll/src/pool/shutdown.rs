//! An end that always comes.

use super::slots::State;
use super::{Inner, Manage};
use std::sync::Arc;
use std::task::Waker;
use tokio::time::{Instant, timeout_at};

/// Sends waiters away, closes what idles, waits for what is lent, and ends what does not come back in time.
pub(super) async fn close<M: Manage>(inner: &Arc<Inner<M>>) {
    let (wakers, closed) = inner.slots.lock().close();
    wakers.into_iter().for_each(Waker::wake);
    drop(closed);
    let until = Instant::now() + inner.sizing.close_timeout;
    if timeout_at(until, emptied(inner)).await.is_err() {
        let handles: Vec<_> = {
            let slots = inner.slots.lock();
            let held = |state| matches!(state, State::Lent | State::Returning);
            slots
                .slots
                .iter()
                .filter(|slot| held(slot.state))
                .filter_map(|slot| slot.handle.clone())
                .collect()
        };
        handles.iter().for_each(|handle| inner.manager.abandon(handle));
    }
    inner.watchdog.alarm.notify_one();
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
