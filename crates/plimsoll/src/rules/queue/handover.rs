//! A connection on its way to a waiter, and what is to be done once the pool's lock is released.

use super::seat::Seat;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A connection that was lent, on its way to the caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant<C> {
    pub(crate) slot: usize,
    pub(crate) connection: C,
    /// How long ago it was lent or opened before, which is at least as long as it has been idle.
    pub(crate) unused_for: Duration,
    /// It has reached its greatest age: the caller turns it down.
    pub(crate) is_expired: bool,
}

/// What to do once the lock is released.
#[must_use = "a connection is on its way"]
pub(crate) enum Effects<C> {
    /// Nothing: the connection lies idle, or there was none.
    None,
    /// The connection goes to a waiter.
    HandOver(HandOver<C>),
    /// It is no longer wanted: dropping it closes it.
    Close(C),
    /// These waiters were refused and are to be woken; then comes the other effect.
    After(Vec<Waker>, Box<Effects<C>>),
}

impl<C> Effects<C> {
    #[cold]
    pub(crate) fn after(self, wakers: Vec<Waker>) -> Self {
        if wakers.is_empty() { self } else { Effects::After(wakers, Box::new(self)) }
    }
}

/// A connection and the seat of the waiter that is to have it.
pub(crate) struct HandOver<C> {
    grant: Grant<C>,
    seat: Arc<Seat<Grant<C>>>,
}

impl<C> HandOver<C> {
    pub(crate) fn new(grant: Grant<C>, seat: Arc<Seat<Grant<C>>>) -> Self {
        HandOver { grant, seat }
    }

    /// Lays the connection on the seat and gives the waker to call. If the waiter has left meanwhile the connection
    /// comes back, for [`Slots::give_up`](crate::rules::slots::Slots::give_up).
    pub(crate) fn deliver(self) -> Result<Waker, Option<Grant<C>>> {
        self.seat.answer(Ok(self.grant)).map_err(Result::ok)
    }
}
