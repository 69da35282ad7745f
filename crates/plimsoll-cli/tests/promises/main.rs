//! What the command `plimsoll` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod an_interrupt_leaves_nothing_behind;
mod sessions_are_stopped_only_when_asked;
mod tables;
mod the_demo_tells_the_truth;
mod timeouts;
mod what_cannot_be_played_starts_nothing;

// What several promises begin with.
mod command;
