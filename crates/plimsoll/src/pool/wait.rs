//! Waiting for a turn.
//!
//! The future holds a ticket. Dropped before its turn it leaves the queue; dropped after the grant and before the
//! fetch, what was granted goes to the next in line: that is why the grant lies on a seat and not in a channel.

use crate::moment::Moment;
use crate::rules::queue::handover::{Effects, Grant};
use crate::rules::queue::waiters::{Ticket, Turn};
use crate::rules::slots::Slots;
use crate::sync::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Whose queue it is.
pub(crate) trait Queue {
    type Connection;
    type Handle;
    fn slots(&self) -> &Mutex<Slots<Self::Connection, Self::Handle>>;
    /// Does what follows when a place was given up.
    fn apply(&self, effects: Effects<Self::Connection>);
}

/// A place in a pool's queue, as a future.
pub(crate) struct Wait<'a, Q: Queue> {
    queue: &'a Q,
    ticket: Option<Ticket<Grant<Q::Connection>>>,
}

impl<'a, Q: Queue> Wait<'a, Q> {
    pub(crate) fn new(queue: &'a Q, ticket: Ticket<Grant<Q::Connection>>) -> Self {
        Wait { queue, ticket: Some(ticket) }
    }
}

impl<Q: Queue> Future for Wait<'_, Q> {
    type Output = Turn<Grant<Q::Connection>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<Grant<Q::Connection>>> {
        let this = self.get_mut();
        match this.ticket.as_ref().and_then(|ticket| ticket.poll(cx.waker())) {
            Some(turn) => {
                this.ticket = None;
                Poll::Ready(turn)
            }
            None => Poll::Pending,
        }
    }
}

impl<Q: Queue> Drop for Wait<'_, Q> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = Moment::now();
        let effects = match ticket.leave() {
            Some(grant) => self.queue.slots().lock().give_up(grant, now),
            // Somebody who took it out of the queue a moment ago finds the seat left.
            None => self.queue.slots().lock().quit(&ticket, now),
        };
        self.queue.apply(effects);
    }
}
