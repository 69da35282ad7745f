//! The decisions of the pool, the breaker and the retries, apart from everything that happens.
//!
//! What is decided here follows from the arguments alone. The time is an argument, no clock is read, no task is started,
//! nothing is sent: so each rule is tested by calling it.
//!
//! | rule | what it decides |
//! |---|---|
//! | [`slots`] | where every connection is, and who gets the next |
//! | [`queue`] | in which order callers wait, and what an answer to one of them is |
//! | [`gate`] | whether a caller is let in, has to wait, or is refused at once |
//! | [`forecast`] | how long a wait would take, and whether it is worth beginning |
//! | [`circuit`] | whether the server is silent for so long that calls are refused |
//! | [`budget`], [`backoff`] | whether work may run again, and after which pause |
//! | [`outcome`] | what became of a statement, from where it ran and what was answered |

pub(crate) mod backoff;
pub(crate) mod budget;
pub(crate) mod circuit;
pub(crate) mod forecast;
pub(crate) mod gate;
pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod slots;
