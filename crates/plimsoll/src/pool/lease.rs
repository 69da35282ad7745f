//! A lent connection, and how it comes back to the pool.

use super::wait::Queue;
use super::{Inner, Manage, Pool, Verdict, connects};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::queue::handover::Effects;
use crate::rules::slots::{Closing, Slots};
use crate::sync::Mutex;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// A lent connection. Dropping it gives it back: at once when it is proven clean, else on the side.
pub struct Lease<M: Manage> {
    inner: Arc<Inner<M>>,
    slot: usize,
    /// There until the lease ends.
    connection: Option<M::Connection>,
    /// When it began, if that is measured.
    since: Option<Moment>,
}

impl<M: Manage> Lease<M> {
    pub(super) fn new(inner: Arc<Inner<M>>, slot: usize, connection: M::Connection) -> Self {
        Lease { inner, slot, connection: Some(connection), since: None }
    }

    /// The caller has it since this moment, if that is measured.
    pub(super) fn begin(&mut self, since: Option<Moment>) {
        self.since = since;
    }

    /// The pool that lent it.
    pub(crate) fn pool(&self) -> Pool<M> {
        Pool { inner: Arc::clone(&self.inner) }
    }

    /// Turns down a connection that is not fit to be lent, for this reason.
    pub(super) fn reject(mut self, why: Closing) {
        self.connection = None;
        {
            let mut slots = self.inner.slots.lock();
            slots.totals.turned_down += 1;
            slots.vacate(self.slot, why);
        }
        connects::refill(&self.inner);
    }
}

/// It is taken out only by what ends the lease.
const HELD: &str = "what was lent is there until the lease ends";

impl<M: Manage> Deref for Lease<M> {
    type Target = M::Connection;

    #[expect(clippy::expect_used, reason = "see HELD")]
    fn deref(&self) -> &M::Connection {
        self.connection.as_ref().expect(HELD)
    }
}

impl<M: Manage> DerefMut for Lease<M> {
    #[expect(clippy::expect_used, reason = "see HELD")]
    fn deref_mut(&mut self) -> &mut M::Connection {
        self.connection.as_mut().expect(HELD)
    }
}

impl<M: Manage> Drop for Lease<M> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if let (Some(since), Some(meter)) = (self.since, self.inner.metering.meter()) {
                meter.released(since.elapsed());
            }
            self.inner.take_back(self.slot, connection);
        }
    }
}

/// The way back to the pool, for one connection that is being made clean. Dropping it unused frees the slot.
pub struct Home<M: Manage> {
    inner: Arc<Inner<M>>,
    slot: usize,
    work: Option<WorkName>,
    is_spent: bool,
    /// Why the connection is closed, if this is dropped unused.
    why: Closing,
}

impl<M: Manage> Home<M> {
    /// The connection is clean again.
    pub fn come_home(mut self, connection: M::Connection) {
        self.is_spent = true;
        self.inner.take_home(self.slot, connection);
    }

    /// The connection is closed, for this reason.
    pub(crate) fn discard(mut self, why: Closing) {
        self.why = why;
    }

    /// The work that held the connection.
    #[must_use]
    pub fn work(&self) -> Option<&WorkName> {
        self.work.as_ref()
    }
}

impl<M: Manage> Drop for Home<M> {
    fn drop(&mut self) {
        if !self.is_spent {
            self.inner.lose(self.slot, self.why);
        }
    }
}

impl<M: Manage> Queue for Arc<Inner<M>> {
    type Connection = M::Connection;
    type Handle = M::Handle;

    fn slots(&self) -> &Mutex<Slots<M::Connection, M::Handle>> {
        &self.slots
    }

    fn apply(&self, effects: Effects<M::Connection>) {
        Inner::apply(self, effects);
    }
}

impl<M: Manage> Inner<M> {
    /// A lease has ended.
    fn take_back(self: &Arc<Self>, slot: usize, mut connection: M::Connection) {
        match self.manager.verdict(&mut connection) {
            Verdict::Clean => self.take_home(slot, connection),
            Verdict::Unsettled => {
                let now = Moment::now();
                let work = self.slots.lock().begin_return(slot, now);
                let limit = self.return_limit(self.manager.handle(&connection));
                self.alarm.arm(now + limit);
                let home =
                    Home { inner: Arc::clone(self), slot, work, is_spent: false, why: Closing::Broken };
                self.manager.reclaim(connection, home);
            }
            Verdict::Broken => {
                drop(connection);
                self.lose(slot, Closing::Broken);
            }
            Verdict::Swollen => {
                drop(connection);
                self.lose(slot, Closing::Swollen);
            }
        }
    }

    /// A clean connection goes to the next in line, or becomes idle.
    fn take_home(self: &Arc<Self>, slot: usize, connection: M::Connection) {
        // The clock is read before the lock is taken, so that no task that waits for the lock waits for that too.
        let is_crowded = self.is_crowded.load(Ordering::Relaxed);
        let now = is_crowded.then(Moment::now);
        let effects = {
            let mut slots = self.slots.lock();
            if is_crowded && slots.waiters.len() == 0 {
                self.is_crowded.store(false, Ordering::Relaxed);
            }
            slots.offer(slot, connection, || now.unwrap_or_else(Moment::now))
        };
        self.apply(effects);
    }

    /// A connection is gone: its slot is free, and a caller may be waiting for it.
    pub(crate) fn lose(self: &Arc<Self>, slot: usize, why: Closing) {
        self.slots.lock().vacate(slot, why);
        self.changed.notify_waiters();
        connects::refill(self);
    }

    /// Gives idle connections to the waiters that may have them. Nearly always there are not both.
    pub(super) fn serve_idle(self: &Arc<Self>) {
        loop {
            let effects = {
                let mut slots = self.slots.lock();
                if slots.idle() == 0 || slots.servable() == 0 {
                    return;
                }
                slots.serve_idle(Moment::now())
            };
            if matches!(effects, Effects::None) {
                return;
            }
            self.apply(effects);
        }
    }

    /// Does what must not be done under the lock.
    pub(crate) fn apply(self: &Arc<Self>, effects: Effects<M::Connection>) {
        let mut effects = effects;
        loop {
            match effects {
                Effects::None => return,
                Effects::HandOver(handover) => match handover.deliver() {
                    Ok(waker) => return waker.wake(),
                    Err(None) => return,
                    // The waiter has left just now.
                    Err(Some(grant)) => effects = self.slots.lock().give_up(grant, Moment::now()),
                },
                Effects::After(wakers, then) => {
                    wakers.into_iter().for_each(Waker::wake);
                    effects = *then;
                }
                Effects::Close(connection) => {
                    drop(connection);
                    self.changed.notify_waiters();
                    connects::refill(self);
                    return;
                }
            }
        }
    }
}
