//! The queue of a pool: who waits ([`waiters`]), in which order ([`lane`]), under which caps by name ([`bulkhead`]), where
//! a waiter finds its answer ([`seat`]), and what has to be done once the pool's lock is released ([`handover`]).

pub(crate) mod bulkhead;
pub(crate) mod handover;
pub(crate) mod lane;
pub(crate) mod seat;
pub(crate) mod waiters;
