//! What the start page and the consoles promise to those who look at it, seen in a real browser. `scripts/setup test` installs one and its driver;
//! where they cannot be had, these tests are left out by this program's name.
//!
//! It is a program of its own because the crate that talks to the driver adds operators to `String`, by which other tests would
//! be ambiguous.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// With these the other promises begin too, of this crate and of the dashboard's; not all of them is used here.
#[allow(dead_code)]
#[path = "../promises/alerts.rs"]
mod alerts;
#[allow(dead_code)]
#[path = "../promises/asking.rs"]
mod asking;
#[allow(dead_code)]
#[path = "../promises/breaking.rs"]
mod breaking;
#[allow(dead_code)]
#[path = "../../../../crates/plimsoll-http/tests/browser/browser.rs"]
mod browser;
#[allow(dead_code)]
#[path = "../promises/service.rs"]
mod service;

mod console;

mod a_frozen_database_is_survived_before_ones_eyes;
mod an_operators_token_is_asked_for;
mod in_development_its_tenants_are_one_click_away;
mod the_console_fits_a_phone_and_says_what_to_do_next;
mod the_console_is_worked_by_keyboard;
mod the_console_shows_a_fleet_at_work;
mod the_console_tells_of_a_slow_and_of_an_absent_database;
mod the_operators_console_shows_what_comes_in;
mod what_devices_send_stays_text_on_the_console;
