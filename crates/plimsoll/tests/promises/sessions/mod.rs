//! What a session carries from its start and what may stay behind in it.

mod a_missing_guardrail_is_an_error_or_degraded;
mod a_returned_connection_is_clean;
mod a_setting_of_one_transaction_leaves_nothing;
mod a_transaction_shows_whose_it_is;
mod guardrails_hold_on_every_lease;
mod names_and_limits_do_not_fill_the_statistics;
mod the_lexer_reads_as_the_server_reads;
mod what_a_text_leaves_in_the_session_is_read_from_it;
