//! Callers on another runtime than the pool's.
//!
//! A pool's clock, its connects and the drivers of its connections run on the runtime on which the pool was opened, and
//! a caller may be on another. While the pool's runtime is driven this makes no difference. A runtime that is not driven
//! (one of a single thread, on which no thread blocks) does nothing, and its clock ends no wait: so a caller on another
//! runtime waits with a timer of its own. A runtime that has ended takes the pool's clock with it, and that closes the
//! pool.

use super::{Inner, Manage};
use std::sync::Weak;
use std::task::Waker;
use tokio::runtime::Handle;

/// Whether the current runtime is another one.
pub(crate) fn is_foreign(home: &Handle) -> bool {
    Handle::try_current().is_ok_and(|here| here.id() != home.id())
}

/// Held by the clock. If it is dropped while the pool is still there, the runtime has ended.
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
