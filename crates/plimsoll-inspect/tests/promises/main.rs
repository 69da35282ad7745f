//! What `plimsoll-inspect` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod statements_that_take_the_time_are_listed;
