//! What a statement promises: its limit, its cancel, what it streams, and what is kept of it for the next time.

mod a_cancel_reaches_what_was_given_up_and_nothing_else;
mod a_copy_that_nobody_feeds_ends_at_once;
mod a_parameter_that_panics_harms_nobody_else;
mod a_storm_of_cancels_leaves_no_statement_behind;
mod nothing_is_sent_with_less_time_than_the_floor;
mod rows_and_copies_stream_under_guard;
mod statements_are_cached_and_bounded;
mod the_next_borrower_does_not_wait_for_a_dropped_query;
mod what_is_known_of_a_statement_follows_the_schema;
