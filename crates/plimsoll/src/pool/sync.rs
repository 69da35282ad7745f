//! The mutex of the pool's core: the ordinary one, or loom's when the hand-off is model-checked.

#[cfg(not(plimsoll_loom))]
pub(crate) use parking_lot::MutexGuard;
#[cfg(not(plimsoll_loom))]
pub(crate) use spinning::Mutex;

#[cfg(plimsoll_loom)]
pub(crate) use checked::Mutex;
#[cfg(plimsoll_loom)]
pub(crate) use loom::sync::MutexGuard;

#[cfg(not(plimsoll_loom))]
mod spinning {
    use super::MutexGuard;

    /// Looks so often before it waits as the ordinary mutex does. What is done under these locks takes some ten
    /// nanoseconds, while the ordinary waits double from look to look and soon give up the processor.
    const LOOKS: usize = 32;

    /// The ordinary mutex, waited for in short steps at first.
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(parking_lot::Mutex::new(value))
        }

        #[inline]
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.try_lock() {
                Some(guard) => guard,
                None => self.wait(),
            }
        }

        #[cold]
        fn wait(&self) -> MutexGuard<'_, T> {
            for _ in 0..LOOKS {
                std::hint::spin_loop();
                if let Some(guard) = self.0.try_lock() {
                    return guard;
                }
            }
            self.0.lock()
        }
    }
}

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
