//! What a waiter holds of its place in the queue.

use super::seat::{Answer, Seat};
use crate::name::WorkName;
use crate::rules::request::Priority;
use std::sync::Arc;
use std::task::Waker;

/// A number in the queue, and the seat on which the answer will lie.
pub(crate) struct Ticket<G> {
    pub(super) serial: u64,
    pub(super) priority: Priority,
    /// The name, if it has a cap: the waiter may stand aside. In a box, because it is rare and every wait holds a
    /// ticket.
    pub(super) capped: Option<Box<WorkName>>,
    pub(super) seat: Arc<Seat<G>>,
}

impl<G> Ticket<G> {
    /// Fetches the answer, if it is there; else has this waker called when it comes.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Answer<G>> {
        self.seat.poll(waker)
    }

    /// Leaves the seat. What had been granted must go to another waiter.
    pub(crate) fn leave(&self) -> Option<G> {
        self.seat.leave()
    }
}
