//! What the command `plimsoll` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod a_stall_that_is_over_can_be_looked_at;
mod an_interrupt_leaves_nothing_behind;
mod migrations_go_one_step_at_a_time;
mod sessions_are_stopped_only_when_asked;
mod the_demo_tells_the_truth;
mod timeouts;
mod top;
mod what_cannot_be_played_starts_nothing;

// What several promises begin with.
mod command;
mod server_sessions;
