//! One statement on a lent connection.
//!
//! | file | what it holds |
//! |---|---|
//! | [`query`] | what a caller asks for, checked for its connection |
//! | [`fetch`], [`answer`] | the four methods that every handle has, what they want, and what is read for them |
//! | [`executor`] | what runs statements, and the limits that hold for them |
//! | [`settle`], [`send`], [`stop`] | a request: what comes before it, its way to the answer, how it is stopped |
//! | [`failure`], [`end`] | what a failure means; the one place where every statement ends |
//! | [`slow`], [`shown`] | what the slow log says of a statement, and of its parameters |
//! | [`run`], [`flight`], [`script`] | by which messages a statement runs: by name, with known types, in a transaction of its own, as a text of several |
//! | [`stream`], [`bounded`] | rows and copies that arrive bit by bit, and their limits |
//! | [`cache`], [`weighted_lru`], [`knowledge`], [`names`] | prepared statements, what is known of their types, and by which names a server knows them |
//! | [`typed`] | whether a statement was given as many parameters as it takes |
//! | [`stale`], [`stray`], [`copy`] | a statement whose plan is out of date, that a cancel hit by mistake, that was a COPY |

pub(crate) mod answer;
mod bounded;
pub(crate) mod cache;
pub(crate) mod copy;
pub(crate) mod end;
pub(crate) mod executor;
mod failure;
pub(crate) mod fetch;
pub(crate) mod flight;
pub(crate) mod knowledge;
pub(crate) mod names;
pub(crate) mod query;
pub(crate) mod run;
mod script;
pub(crate) mod send;
mod settle;
mod shown;
pub(crate) mod slow;
pub(crate) mod stale;
pub(crate) mod stop;
pub(crate) mod stray;
pub(crate) mod stream;
mod typed;
mod weighted_lru;
