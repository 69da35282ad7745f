//! What `plimsoll-http` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with.
mod client;
mod log;
mod service;

mod limits;
mod report;
mod requests;
mod serve;
