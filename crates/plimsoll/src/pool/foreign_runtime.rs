//! Callers on another runtime than the pool's.
//!
//! A pool's clock, its connects and the drivers of its connections run on the runtime on which it was opened, and a
//! caller may be on another. While the pool's is driven nobody sees a difference. One that is not driven (a runtime of
//! one thread that nobody blocks on) moves nothing, and its clock tells nobody that his limit has come: so whoever waits
//! abroad brings a timer of his own runtime. One that has ended takes its clock with it, and that closes the pool.

use super::{Inner, Manage};
use crate::moment::Moment;
use std::pin::Pin;
use std::sync::Weak;
use std::task::Waker;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

/// Whether whoever runs this is on another runtime.
pub(crate) fn is_foreign(home: &Handle) -> bool {
    Handle::try_current().is_ok_and(|here| here.id() != home.id())
}

/// A timer of the caller's own, if the pool's clock may not be there for him.
pub(super) fn own_timer(home: &Handle, end: Moment) -> Option<Pin<Box<Sleep>>> {
    is_foreign(home).then(|| Box::pin(sleep_until(end.instant())))
}

/// Held by the clock. Dropped while the pool is still there, its runtime has ended.
pub(super) struct CloseWithRuntime<M: Manage>(pub(super) Weak<Inner<M>>);

impl<M: Manage> Drop for CloseWithRuntime<M> {
    fn drop(&mut self) {
        let Some(inner) = self.0.upgrade() else { return };
        let (wakers, closed) = {
            let mut slots = inner.slots.lock();
            slots.has_lost_its_runtime = true;
            slots.close()
        };
        wakers.into_iter().for_each(Waker::wake);
        drop(closed);
        inner.changed.notify_waiters();
    }
}
