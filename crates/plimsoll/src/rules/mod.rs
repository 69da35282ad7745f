//! The decisions of the pool, the breaker and the retries, without any of the work that follows from them.
//!
//! What is decided here follows from the arguments alone. The time is an argument, no clock is read, no task is started,
//! nothing is sent: so each rule is tested by calling it.
//!
//! | rule | what it decides |
//! |---|---|
//! | [`request`], [`refusal`] | what is asked of a pool, and why it is not given |
//! | [`given_up`], [`exhaustion`] | why callers got no connection, counted; when that is an exhausted pool |
//! | [`repeated`] | which failure is told whole, and which are counted |
//! | [`slots`] | where every connection is, and which request gets the next |
//! | [`queue`] | in which order callers wait, and where each finds its answer |
//! | [`gate`] | whether a request is served, has to wait, or is refused at once |
//! | [`forecast`] | how long a wait would take, and whether it is worth beginning |
//! | [`circuit`] | whether the server is silent for so long that calls are refused |
//! | [`budget`], [`backoff`] | whether work may run again, and after which pause |
//! | [`suggestion`] | which limit a kind of statement could have |
//! | [`inbox`] | what a listener's reader gets, and where it is told that something is missing |
//! | [`slow_kinds`] | which slow statements are told of in full, and which are counted |
//! | [`plan`] | what is told of a server's plan |
//! | [`lag`] | how far a replica is behind, as a time that can be proven |
//! | [`route`] | which replica a read goes to |
//! | [`share`] | how many of a server's connections each instance may have, and each pool |
//! | [`outcome`] | what became of a statement, from where it ran and what was answered |

pub(crate) mod backoff;
pub(crate) mod budget;
pub(crate) mod circuit;
pub(crate) mod exhaustion;
pub(crate) mod forecast;
pub(crate) mod gate;
pub(crate) mod given_up;
pub(crate) mod inbox;
pub(crate) mod lag;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod refusal;
pub(crate) mod repeated;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod share;
pub(crate) mod slots;
pub(crate) mod slow_kinds;
pub(crate) mod suggestion;
