//! What the example `sales-agent` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with.
#[path = "../../../started.rs"]
#[allow(dead_code, reason = "of the whole module this program takes what it needs")]
mod started;

// The promises.
mod a_buy_is_booked_once;
mod a_frozen_database_is_told_at_once;
mod a_newcomer_needs_nothing_else;
mod behind_pgbouncer_the_pool_is_small;
mod older_names_set_the_limits;
