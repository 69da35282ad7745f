//! What changes, and what must not, where a transaction pooler stands in front of the server.

mod a_full_pooler_is_no_outage;
mod an_insert_returning_an_enum_through_pgbouncer_stores_one_row;
mod behind_a_transaction_pooler_nothing_leaks;
mod types_that_are_looked_up_work_through_every_pooler;
mod what_a_stranger_left_behind_a_pooler_changes_nothing;
mod what_may_run_in_no_transaction_says_so;
