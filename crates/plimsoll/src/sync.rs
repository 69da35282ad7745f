//! The mutex, the atomics and the waker cell of what is model-checked: the ordinary ones, or loom's in a model.

#[cfg(not(plimsoll_loom))]
pub(crate) use futures_util::task::AtomicWaker;
#[cfg(not(plimsoll_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(not(plimsoll_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};

#[cfg(plimsoll_loom)]
pub(crate) use checked::{AtomicWaker, Mutex};
#[cfg(plimsoll_loom)]
pub(crate) use loom::sync::MutexGuard;
#[cfg(plimsoll_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};

#[cfg(plimsoll_loom)]
mod checked {
    use super::MutexGuard;
    use std::task::Waker;

    /// loom's mutex in the shape of the ordinary one.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        #[expect(
            clippy::unwrap_used,
            reason = "only under the model checker, where a poisoned lock is a failed model"
        )]
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }

        /// A model has no clock, so it waits for as long as it takes.
        pub(crate) fn try_lock_for(&self, _limit: std::time::Duration) -> Option<MutexGuard<'_, T>> {
            Some(self.lock())
        }
    }

    /// A cell for one waker that promises what the ordinary one promises: a wake-up that comes after `register` reaches
    /// the waker that was registered. loom's own cell prints each access.
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            AtomicWaker(Mutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            *self.0.lock() = Some(waker.clone());
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
