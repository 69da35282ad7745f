//! What `plimsoll-inspect` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod autovacuum_takes_the_tables_that_the_formula_says;
mod bloat_is_estimated_within_ten_points;
mod checks;
mod no_question_waits_for_long_or_leaves_anything;
mod profiles;
mod rows_that_break_what_their_table_promises_are_found;
mod statements_that_take_the_time_are_listed;
mod the_room_for_connections_is_that_of_the_narrowest_limit;
mod the_server_is_told_in_numbers;
mod what_statements_did_is_never_told_too_large;
mod who_blocks_whom_is_found;

// What several promises begin with.
mod frozen;
mod session;
