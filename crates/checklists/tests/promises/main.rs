//! What `make tick` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod a_page_reads_as_it_is_written;
mod a_row_that_claims_what_is_not_so_is_a_failure;
mod an_example_runs_if_a_command_asks_it;
mod an_output_is_what_was_expected;
mod named_tests_are_answered_from_one_run;
mod the_first_screen_of_the_service_becomes_variables;
mod the_pages_of_this_repository_are_whole;
