//! What the example `content` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with.
mod service;
#[path = "../../../started.rs"]
#[allow(dead_code, reason = "of the whole module this program takes what it needs")]
mod started;

// The promises.
mod a_client_that_hangs_up_stops_its_query;
mod a_newcomer_needs_nothing_else;
mod a_page_reads_no_more_than_it_shows;
mod a_request_out_of_time_is_a_504;
mod an_idle_client_and_a_stop_are_given_their_time;
mod each_request_leaves_one_line_of_json;
mod many_clients_are_served_with_tag_filters;
mod pages_are_complete_while_items_are_added;
mod sigusr1_prints_what_goes_on;
mod the_time_that_statements_take_can_be_asked;
