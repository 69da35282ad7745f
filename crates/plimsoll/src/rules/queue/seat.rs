//! Where a waiter finds its answer.
//!
//! The queue belongs to the pool and is behind its lock; the answer belongs to the waiter. So an answer is laid on a
//! *seat* that both know: whoever gives it needs the pool's lock only to find out whose turn it is, and whoever
//! fetches it needs that lock not at all. What was laid on a seat whose waiter has left comes back to the giver, so
//! nothing that was handed over can be lost.

use super::waiters::Turn;
use crate::sync::Mutex;
use std::sync::Arc;
use std::task::Waker;

enum SeatState<G> {
    /// Somebody sits here, and is called by this.
    Taken(Waker),
    /// The answer lies here.
    Answered(Turn<G>),
    /// The answer was fetched, or nobody waits for it any more.
    Left,
}

/// One waiter's place, shared by the waiter and the pool.
pub(crate) struct Seat<G>(Mutex<SeatState<G>>);

impl<G> Seat<G> {
    pub(crate) fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Seat(Mutex::new(SeatState::Taken(waker))))
    }

    /// Lays an answer here and says whom to call; gives it back if the waiter has left, or was answered before.
    pub(crate) fn answer(&self, turn: Turn<G>) -> Result<Waker, Turn<G>> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, SeatState::Left) {
            SeatState::Taken(waker) => {
                *state = SeatState::Answered(turn);
                Ok(waker)
            }
            other => {
                *state = other;
                Err(turn)
            }
        }
    }

    /// Fetches the answer, if it is there; else has this waker called when it comes.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Turn<G>> {
        let mut state = self.0.lock();
        if let SeatState::Taken(known) = &mut *state {
            known.clone_from(waker);
            return None;
        }
        match std::mem::replace(&mut *state, SeatState::Left) {
            SeatState::Answered(turn) => Some(turn),
            SeatState::Taken(_) | SeatState::Left => None,
        }
    }

    /// Leaves; what had been laid here and was not fetched is given back.
    pub(crate) fn leave(&self) -> Option<G> {
        match std::mem::replace(&mut *self.0.lock(), SeatState::Left) {
            SeatState::Answered(Turn::Granted(grant)) => Some(grant),
            SeatState::Answered(Turn::Refused(_)) | SeatState::Taken(_) | SeatState::Left => None,
        }
    }
}
