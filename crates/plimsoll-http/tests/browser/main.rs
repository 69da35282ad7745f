//! What the dashboard's page promises to those who look at it, seen in a real browser: Chromium without a screen, driven through
//! chromedriver. `scripts/setup test` installs both; where they cannot be had, these tests are left out by this program's name.
//!
//! It is a program of its own because the crate that talks to the driver adds operators to `String`, by which other tests would
//! be ambiguous.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// With these the other promises begin too; not all of them is used here.
#[allow(dead_code)]
#[path = "../promises/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../promises/dashboard/scene.rs"]
mod scene;
#[allow(dead_code)]
#[path = "../promises/service.rs"]
mod service;

mod browser;

mod a_frozen_database_turns_the_page_red;
mod a_token_is_asked_for_and_kept_to_the_tab;
mod actions_ask_and_then_act;
mod old_data_are_shown_as_old;
mod the_page_loads_and_its_numbers_move;
mod what_clients_send_stays_text;
