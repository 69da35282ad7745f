//! The mutex of the pool's core: the ordinary one, or loom's when the hand-off is model-checked.

#[cfg(not(plimsoll_loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(plimsoll_loom)]
pub(crate) use checked::Mutex;
#[cfg(plimsoll_loom)]
pub(crate) use loom::sync::MutexGuard;

#[cfg(plimsoll_loom)]
mod checked {
    use super::MutexGuard;

    /// loom's mutex in the shape of the ordinary one.
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
    }
}
