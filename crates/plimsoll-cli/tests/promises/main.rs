//! What the command `plimsoll` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod an_interrupt_leaves_nothing_behind;
mod apply;
mod services_without_rust_are_protected;
mod the_demo_tells_the_truth;
mod what_cannot_be_played_starts_nothing;
