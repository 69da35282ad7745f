//! What `plimsoll-faults` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with.
mod ends;
mod family;
mod session;

// The promises.
mod a_blackhole_holds_what_it_swallows_until_it_is_lifted;
mod a_commit_cut_on_the_wire_leaves_the_truth_with_the_server;
mod a_cut_falls_on_the_byte_that_was_named;
mod a_cut_falls_on_the_message_that_was_named;
mod a_delay_is_latency_and_not_throughput;
mod a_drill_says_where_the_wire_is;
mod a_frozen_server_answers_after_the_thaw;
mod a_half_open_connection_loses_what_it_is_told;
mod a_ledger_finds_what_was_lost_doubled_or_made_up;
mod a_process_is_frozen_whole_and_never_left_so;
mod a_real_session_is_read_along_and_left_unharmed;
mod a_reset_is_told_to_whom_it_was_meant;
mod a_script_plays_in_order;
mod a_script_reads_as_it_prints;
mod a_sliced_wire_changes_no_answer;
mod a_stalled_wire_is_silent_until_it_resumes;
mod a_throttled_wire_holds_its_rate;
mod a_wire_leads_elsewhere_once_it_is_told_to;
mod everything_ends_when_the_proxy_is_dropped;
mod jitter_keeps_the_order;
mod messages_are_the_same_however_tcp_splits_them;
mod no_signal_goes_astray;
mod the_same_seed_loses_the_same_segments;
