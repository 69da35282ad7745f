//! The hand-off alone, for the model checker: the same slots, waiters and waiting future as in the pool, with nothing
//! of a runtime around them.

use super::wait::{Queue, Wait};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::queue::handover::{Effects, Grant};
use crate::rules::queue::seat::Seat;
use crate::rules::request::{Priority, Request};
use crate::rules::slots::{PoolLimits, Slots};
use crate::runner::Runner;
use crate::sync::Mutex;
use std::sync::Arc;

/// A pool of numbers.
#[derive(Clone)]
pub struct Hall {
    slots: Arc<Mutex<Slots<u32, ()>>>,
    now: Moment,
}

/// A lent number.
pub struct Held {
    hall: Hall,
    grant: Option<Grant<u32>>,
}

impl Hall {
    /// A pool of so many numbers, all idle.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let now = Moment::now();
        let limits = PoolLimits { min: 0, max: count, overflow: 0, connects: count };
        let mut slots = Slots::new(limits, usize::MAX);
        for (number, slot) in (0..).zip(slots.begin_connects(count, now)) {
            let _ = slots.connected(slot, number, (), None, now);
        }
        Hall { slots: Arc::new(Mutex::new(slots)), now }
    }

    /// Lends a number, waiting for one if need be.
    pub async fn acquire(&self) -> Held {
        let request = Request {
            name: WorkName::here(),
            runner: Runner::current(),
            priority: Priority::Normal,
            cap: None,
            since: self.now,
            until: self.now,
            deadline: None,
            id: None,
        };
        let joined = {
            let mut slots = self.slots.lock();
            match slots.lend(&request, self.now) {
                Some(grant) => Ok(grant),
                None => Err(slots.waiters.push(request, Seat::new())),
            }
        };
        let grant = match joined {
            Ok(grant) => Some(grant),
            Err(ticket) => Wait::new(self, ticket).await.ok(),
        };
        Held { hall: self.clone(), grant }
    }

    /// Refuses all that wait.
    pub fn expire(&self) {
        let wakers = self.slots.lock().waiters.expire(self.now, None);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// How many are idle, and how many wait.
    #[must_use]
    pub fn rest(&self) -> (usize, usize) {
        let slots = self.slots.lock();
        (slots.idle(), slots.waiters.len())
    }
}

impl Queue for Hall {
    type Connection = u32;
    type Handle = ();

    fn slots(&self) -> &Mutex<Slots<u32, ()>> {
        &self.slots
    }

    /// As in the pool: lays the grant on its seat, or offers the connection again if the waiter has left meanwhile.
    fn apply(&self, effects: Effects<u32>) {
        let mut effects = effects;
        while let Effects::HandOver(handover) = effects {
            match handover.deliver() {
                Ok(waker) => return waker.wake(),
                Err(None) => return,
                Err(Some(grant)) => effects = self.slots.lock().give_up(grant, self.now),
            }
        }
    }
}

impl Held {
    /// The number; none if the wait was ended.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.grant.as_ref().map(|grant| grant.connection)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let effects = self.hall.slots.lock().offer(grant.slot, grant.connection, || self.hall.now);
            self.hall.apply(effects);
        }
    }
}
