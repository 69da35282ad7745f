//! What `plimsoll` promises: a module for each promise, named as a sentence, in a folder for each theme.
//!
//! One promise while you work: `cargo nextest run -p plimsoll --test promises a_self_deadlock_is_named`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with.
mod full_server;
mod ledger;
mod log;
mod looked_up;
mod promtool;
mod scrape;
mod server;
mod standby;

// The reading of SQL, which the library keeps to itself, compiled into this program as it stands there.
#[path = "../../src/sql/mod.rs"]
#[allow(dead_code, reason = "of the whole module only the lexer and the reading of leftovers are asked")]
mod sql;

// The promises, by theme.
mod listening;
mod metrics;
mod migrations;
mod monitoring;
mod outages;
mod outcomes;
mod pool;
mod poolers;
mod replicas;
mod sessions;
mod settings;
mod statements;
mod transactions;

// What is promised of the repository itself, and of the servers it is built on.
mod guides_name_only_what_exists;
mod no_file_reaches_below_its_floor;
mod no_promise_is_left_out_of_its_program;
mod the_deployment_guide_sets_what_it_says;
mod the_facts_we_build_on_still_hold;
