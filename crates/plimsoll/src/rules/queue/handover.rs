//! A connection on its way to a borrower, and what is to be done about it once the pool's lock is released. Pure.

use super::seat::Seat;
use super::waiters::Turn;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A connection on its way to a borrower.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant<C> {
    pub(crate) slot: usize,
    pub(crate) connection: C,
    /// How long ago it was lent or opened before, which is at least as long as it has been idle.
    pub(crate) unused_for: Duration,
    /// Its time has come; whoever gets it turns it down.
    pub(crate) is_expired: bool,
}

/// What to do once the lock is released.
#[must_use = "a connection is on its way"]
pub(crate) enum Effects<C> {
    /// It was laid down.
    None,
    /// It goes to a waiter.
    HandOver(HandOver<C>),
    /// It is no longer wanted: dropping it closes it.
    Close(C),
    /// These are to be woken, having been sent away; and then there is this.
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

    /// Lays the connection on the seat and says whom to wake. If the waiter has left meanwhile the connection is given
    /// back, for [`Slots::give_up`].
    pub(crate) fn deliver(self) -> Result<Waker, Option<Grant<C>>> {
        self.seat.answer(Turn::Granted(self.grant)).map_err(|turn| match turn {
            Turn::Granted(grant) => Some(grant),
            Turn::Refused(_) => None,
        })
    }
}
