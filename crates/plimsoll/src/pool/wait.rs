//! Waiting for a turn.
//!
//! The future holds a ticket. Dropped before its turn it leaves the queue; dropped after the grant and before the
//! fetch, what was granted goes to the next in line: that is why the grant lies on a seat and not in a channel.

use super::slots::{Effects, Grant, Slots};
use super::sync::Mutex;
use super::waiters::{Ticket, Turn};
use crate::moment::Moment;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A place in a pool's queue, as a future. It must be polled first by the task whose waker is in the queue. `after` is
/// called with the effects of giving the place up.
pub(crate) struct Wait<'a, C, H, A: FnMut(Effects<C>)> {
    slots: &'a Mutex<Slots<C, H>>,
    ticket: Option<Ticket<Grant<C>>>,
    /// The ticket was drawn with this task's waker a moment ago: whatever comes wakes it.
    is_fresh: bool,
    after: A,
}

impl<'a, C, H, A: FnMut(Effects<C>)> Wait<'a, C, H, A> {
    pub(crate) fn new(slots: &'a Mutex<Slots<C, H>>, ticket: Ticket<Grant<C>>, after: A) -> Self {
        Wait { slots, ticket: Some(ticket), is_fresh: true, after }
    }
}

impl<C, H, A: FnMut(Effects<C>) + Unpin> Future for Wait<'_, C, H, A> {
    type Output = Turn<Grant<C>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<Grant<C>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.is_fresh) {
            return Poll::Pending;
        }
        match this.ticket.as_ref().and_then(|ticket| ticket.poll(cx.waker())) {
            Some(turn) => {
                this.ticket = None;
                Poll::Ready(turn)
            }
            None => Poll::Pending,
        }
    }
}

impl<C, H, A: FnMut(Effects<C>)> Drop for Wait<'_, C, H, A> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        match ticket.leave() {
            Some(grant) => {
                let effects = self.slots.lock().give_up(grant, Moment::now());
                (self.after)(effects);
            }
            // Somebody who took it out of the queue a moment ago finds the seat left.
            None => {
                let now = Moment::now();
                let effects = self.slots.lock().quit(&ticket, now);
                (self.after)(effects);
            }
        }
    }
}
