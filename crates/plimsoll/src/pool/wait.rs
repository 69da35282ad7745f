//! The wait for a turn in the queue, as a future.
//!
//! The future holds a ticket. Dropped before its turn it leaves the queue; dropped after the grant and before the grant
//! was fetched, it passes the connection to the next in line: that is why a grant lies on a seat and not in a channel.

use crate::moment::Moment;
use crate::rules::queue::handover::{Effects, Grant};
use crate::rules::queue::seat::Answer;
use crate::rules::queue::ticket::Ticket;
use crate::rules::slots::Slots;
use crate::sync::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A pool with a queue.
pub(crate) trait Queue {
    type Connection;
    type Handle;
    fn slots(&self) -> &Mutex<Slots<Self::Connection, Self::Handle>>;
    /// Does what follows when a waiter has left.
    fn apply(&self, effects: Effects<Self::Connection>);
}

/// A waiter's place in a pool's queue, as a future.
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
    type Output = Answer<Grant<Q::Connection>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<Grant<Q::Connection>>> {
        let this = self.get_mut();
        match this.ticket.as_ref().and_then(|ticket| ticket.poll(cx.waker())) {
            Some(answer) => {
                this.ticket = None;
                Poll::Ready(answer)
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
            // A task that took it out of the queue a moment ago finds that the waiter has left.
            None => self.queue.slots().lock().quit(&ticket, now),
        };
        self.queue.apply(effects);
    }
}
