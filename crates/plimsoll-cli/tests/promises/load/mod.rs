//! `plimsoll load`: an open loop that hides no stall, baselines that catch a regression, and the size of a pool.

mod a_filtered_list_bears_a_load;
mod a_regression_fails_the_run;
mod a_stall_is_seen_in_the_times_of_the_calls_that_were_due;
mod an_interrupt_leaves_a_partial_report_and_no_table;
mod each_kind_of_no_is_counted_apart;
mod figures_are_told_to_people_and_programs;
mod https_is_spoken_where_the_certificate_is_trusted;
mod the_size_of_a_pool_is_found_where_throughput_stops_growing;
mod what_cannot_be_loaded_is_told_in_one_line;

// What they call.
mod service;
