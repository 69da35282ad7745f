//! Where a waiter finds its answer.
//!
//! The queue belongs to the pool and is behind the pool's lock; the answer belongs to the waiter. So an answer is laid
//! on a *seat* that both know: the task that answers needs the pool's lock only to find out whose turn it is, and the
//! waiter that fetches the answer does not need that lock at all. An answer for a waiter that has left comes back to
//! the task that gave it, so no connection can be lost on the way.

use crate::rules::refusal::Refusal;
use crate::sync::Mutex;
use std::sync::Arc;
use std::task::Waker;

/// What a waiter gets.
pub(crate) type Answer<G> = Result<G, Refusal>;

enum SeatState<G> {
    /// A waiter sits here, and is woken by this.
    Taken(Waker),
    /// The answer lies here.
    Answered(Answer<G>),
    /// The answer was fetched, or the waiter has left.
    Left,
}

/// One waiter's place, shared by the waiter and the pool.
pub(crate) struct Seat<G>(Mutex<SeatState<G>>);

impl<G> Seat<G> {
    /// Until the first [`Seat::poll`] an answer wakes no task, since none is asleep yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Seat(Mutex::new(SeatState::Taken(Waker::noop().clone()))))
    }

    /// Lays an answer here and gives the waker to call; gives the answer back if the waiter has left, or was answered
    /// before.
    pub(crate) fn answer(&self, answer: Answer<G>) -> Result<Waker, Answer<G>> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, SeatState::Left) {
            SeatState::Taken(waker) => {
                *state = SeatState::Answered(answer);
                Ok(waker)
            }
            other => {
                *state = other;
                Err(answer)
            }
        }
    }

    /// Fetches the answer, if it is there; else has this waker called when it comes.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Answer<G>> {
        let mut state = self.0.lock();
        if let SeatState::Taken(known) = &mut *state {
            known.clone_from(waker);
            return None;
        }
        match std::mem::replace(&mut *state, SeatState::Left) {
            SeatState::Answered(answer) => Some(answer),
            SeatState::Taken(_) | SeatState::Left => None,
        }
    }

    /// The waiter leaves; gives back what had been granted and was not fetched.
    pub(crate) fn leave(&self) -> Option<G> {
        match std::mem::replace(&mut *self.0.lock(), SeatState::Left) {
            SeatState::Answered(answer) => answer.ok(),
            SeatState::Taken(_) | SeatState::Left => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat() -> Arc<Seat<u32>> {
        Seat::new()
    }

    #[test]
    fn there_is_one_answer_and_it_is_fetched_once() {
        let seat = seat();
        assert_eq!(seat.poll(Waker::noop()), None);
        assert!(seat.answer(Ok(1)).is_ok());
        assert_eq!(seat.answer(Ok(2)).err(), Some(Ok(2)), "the second comes back");
        assert_eq!(seat.poll(Waker::noop()), Some(Ok(1)));
        assert_eq!(seat.poll(Waker::noop()), None);
        assert_eq!(seat.answer(Err(Refusal::Closed)).err(), Some(Err(Refusal::Closed)));
    }

    #[test]
    fn a_waiter_that_leaves_gives_back_a_connection_and_no_refusal() {
        let granted = seat();
        assert!(granted.answer(Ok(1)).is_ok());
        assert_eq!((granted.leave(), granted.leave()), (Some(1), None));
        let refused = seat();
        assert!(refused.answer(Err(Refusal::Closed)).is_ok());
        assert_eq!(refused.leave(), None);
        assert_eq!(refused.poll(Waker::noop()), None);
        let waiting = seat();
        assert_eq!(waiting.leave(), None);
        assert_eq!(waiting.answer(Ok(3)).err(), Some(Ok(3)));
    }

    #[test]
    fn the_last_waker_that_asked_is_the_one_to_call() {
        struct Flag;
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {}
        }
        let (first, last) = (Waker::from(Arc::new(Flag)), Waker::from(Arc::new(Flag)));
        let seat = seat();
        assert_eq!(seat.poll(&first), None);
        assert_eq!(seat.poll(&last), None);
        let woken = seat.answer(Ok(1)).expect("it waits");
        assert!(woken.will_wake(&last) && !woken.will_wake(&first));
    }
}
