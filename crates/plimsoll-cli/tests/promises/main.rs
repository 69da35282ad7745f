//! What the command `plimsoll` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod a_stall_that_is_over_can_be_looked_at;
mod an_interrupt_leaves_nothing_behind;
mod apply;
mod bloat;
mod chaos;
mod connecting;
mod data_is_printed_in_three_forms;
mod doctor;
mod each_code_is_explained;
mod each_status_means_what_the_table_says;
mod load;
mod migrations_go_one_step_at_a_time;
mod pages;
mod playbooks;
mod services_without_rust_are_protected;
mod sessions_are_stopped_only_when_asked;
mod tables;
mod the_demo_tells_the_truth;
mod the_package_brings_what_it_says;
mod timeouts;
mod top;
mod vacuum;
mod what_cannot_be_played_starts_nothing;

// What several promises begin with.
mod command;
mod server_sessions;
mod units;
