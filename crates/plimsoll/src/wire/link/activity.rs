//! Whether the driver's task has anything left to do, and who waits for it.
//!
//! Whether a request still waits in the client's queue is known by two numbers. The task that hands something to the
//! client counts it up ([`Handed`]). The driver, at the end of a poll that left nothing unsent, stores up to which
//! number it had read before the poll began ([`Progress`]). So neither task writes what the other writes, and the
//! driver's task needs no waker but its own.

use super::Link;
use crate::sync::{AtomicBool, AtomicU64, Mutex};
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What the task that drives a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It has sent and delivered everything, and sleeps.
    Idle,
    /// A statement was handed to it, and it has not been polled since.
    Woken,
    /// It is at work.
    Polling,
}

/// How often something was handed to the client.
pub(super) struct Handed(AtomicU64);

impl Handed {
    pub(super) fn new() -> Self {
        Handed(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn count_one(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// How far the driver's task has come. Only that task writes it.
#[derive(Debug)]
pub(in crate::wire) struct Progress {
    /// Up to which number of [`Handed`] everything has left the client's queue.
    drained: AtomicU64,
    is_polling: AtomicBool,
}

impl Progress {
    pub(in crate::wire) fn new() -> Self {
        Progress { drained: AtomicU64::new(0), is_polling: AtomicBool::new(false) }
    }

    #[inline]
    pub(super) fn drained(&self) -> u64 {
        self.drained.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_polling(&self) -> bool {
        self.is_polling.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn begin_poll(&self) {
        self.is_polling.store(true, Ordering::Relaxed);
    }

    /// Ends the poll. Unless bytes are blocked, everything up to `handed` has been sent.
    #[inline]
    pub(super) fn end_poll(&self, handed: u64, is_blocked: bool) {
        if !is_blocked {
            self.drained.store(handed, Ordering::Release);
        }
        self.is_polling.store(false, Ordering::Relaxed);
    }
}

/// How to reach the driver's task.
pub(super) struct DriverTask {
    waker: Mutex<Option<Waker>>,
    handle: OnceLock<AbortHandle>,
}

impl DriverTask {
    pub(super) fn new() -> Self {
        DriverTask { waker: Mutex::new(None), handle: OnceLock::new() }
    }

    pub(super) fn set_handle(&self, handle: AbortHandle) {
        let _ = self.handle.set(handle);
    }

    #[cold]
    pub(super) fn set_waker(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }

    /// Has the driver polled once more. One that was never polled is polled in any case.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn abort(&self) {
        if let Some(handle) = self.handle.get() {
            handle.abort();
        }
    }
}

/// Tasks that wait for a change of the connection.
pub(in crate::wire) struct Watchers {
    count: AtomicU32,
    changed: Notify,
}

impl Watchers {
    pub(super) fn new() -> Self {
        Watchers { count: AtomicU32::new(0), changed: Notify::new() }
    }

    /// Has every watcher look again.
    pub(in crate::wire) fn notify(&self) {
        self.changed.notify_waiters();
    }

    /// The same at the end of a poll, where nearly always no task watches.
    #[inline]
    pub(super) fn notify_if_any(&self) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.notify();
        }
    }

    /// Waits until this holds. `begin` is called once if it does not hold at first.
    pub(super) async fn wait_until(&self, holds: impl Fn() -> bool, begin: impl FnOnce()) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let _watcher = Watcher(&self.count);
        if !holds() {
            begin();
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds() {
                return;
            }
            changed.await;
        }
    }
}

struct Watcher<'a>(&'a AtomicU32);

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Link {
    /// Polls a future that may hand something to the client.
    #[inline]
    pub(crate) fn poll_sending<F: Future>(
        &self,
        request: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let unwinding = Unwinding(self);
        let answer = request.poll(cx);
        std::mem::forget(unwinding);
        // What was answered has left the queue.
        if answer.is_pending() {
            self.borrower.handed.count_one();
        }
        answer
    }

    /// Awaits a future that may hand something to the client.
    pub(crate) async fn sending<F: Future>(&self, request: F) -> F::Output {
        let mut request = std::pin::pin!(request);
        std::future::poll_fn(|cx| self.poll_sending(request.as_mut(), cx)).await
    }

    /// Something may have been handed to the client: whether it was is known after the driver's next poll.
    pub(crate) fn count_handed(&self) {
        self.borrower.handed.count_one();
    }

    pub(in crate::wire) fn handed_so_far(&self) -> u64 {
        self.borrower.handed.so_far()
    }

    /// Whether everything that was handed over up to this number has left the client's queue.
    pub(in crate::wire) fn has_drained(&self, handed: u64) -> bool {
        self.state.progress().drained() >= handed
    }

    /// Whether everything that was handed to the client has left its queue.
    pub(crate) fn is_drained(&self) -> bool {
        self.state.progress().drained() == self.handed_so_far()
    }

    /// What the driver's task is doing.
    pub(crate) fn activity(&self) -> Activity {
        if self.state.progress().is_polling() {
            Activity::Polling
        } else if self.is_drained() {
            Activity::Idle
        } else {
            Activity::Woken
        }
    }

    /// Waits until this holds or the connection has ended.
    pub(crate) async fn wait_for(&self, holds: impl Fn(&Link) -> bool) {
        // A driver that has come to rest would not tell.
        self.watchers.wait_until(|| holds(self) || self.is_closed(), || self.driver.wake()).await;
    }

    /// Which task drives the connection.
    pub(crate) fn set_driver(&self, driver: AbortHandle) {
        self.driver.set_handle(driver);
    }

    /// By which waker the driver's task is called, from its first poll on.
    #[cold]
    pub(crate) fn set_driver_waker(&self, waker: &Waker) {
        self.driver.set_waker(waker);
    }

    /// Gives the number that [`Link::poll_ends`] takes.
    #[inline]
    pub(crate) fn poll_begins(&self) -> u64 {
        self.state.progress().begin_poll();
        self.handed_so_far()
    }

    /// Everything that had been handed over before the poll has been read from the client's queue, and is on the wire
    /// unless that is blocked: by the socket, or because the task's turn is over.
    #[inline]
    pub(crate) fn poll_ends(&self, handed: u64) {
        self.state.progress().end_poll(handed, self.state.is_blocked());
        self.watchers.notify_if_any();
        if self.parking.is_taken() {
            self.bring_home();
        }
    }
}

/// Dropped only where handing something over ended in a panic. The code of a parameter is called for its bytes; where
/// that panics, the first part of a message stays in the client, before everything that is sent next.
struct Unwinding<'a>(&'a Link);

impl Drop for Unwinding<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.count_handed();
        self.0.poison();
    }
}
