//! The queue of a pool.
//!
//! | file | what is in it |
//! |---|---|
//! | [`waiters`] | who waits, and whose turn it is |
//! | [`lane`] | one line of waiters, first in first out |
//! | [`bulkhead`] | how many connections one name may hold; who waits because of that |
//! | [`ticket`] | what a waiter holds of its place |
//! | [`seat`] | where a waiter finds its answer |
//! | [`handover`] | a connection on its way, and what is to be done once the pool's lock is released |

pub(crate) mod bulkhead;
pub(crate) mod handover;
pub(crate) mod lane;
pub(crate) mod seat;
pub(crate) mod ticket;
pub(crate) mod waiters;
