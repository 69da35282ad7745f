//! What `plimsoll-embedded` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod a_broker_keeps_its_sessions;
mod a_cluster_stops_when_its_owner_is_killed;
mod a_kept_data_folder_keeps_its_rows;
mod a_standby_follows_its_primary;
mod errors_say_what_to_do;
mod pgbouncer_stands_in_front;
mod tests_get_a_fresh_database_from_a_template;
mod the_shared_server_ends_with_the_run;
