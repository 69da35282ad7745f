//! What the command `plimsoll` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod an_interrupt_leaves_nothing_behind;
mod command;
mod connecting;
mod doctor;
mod each_code_is_explained;
mod the_demo_tells_the_truth;
mod the_package_brings_what_it_says;
mod what_cannot_be_played_starts_nothing;
