//! What the start page promises to those who look at it, seen in a real browser. `scripts/setup test` installs one and its driver;
//! where they cannot be had, these tests are left out by this program's name.
//!
//! It is a program of its own because the crate that talks to the driver adds operators to `String`, by which other tests would
//! be ambiguous.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// With these the other promises begin too, of this crate and of the dashboard's; not all of them is used here.
#[allow(dead_code)]
#[path = "../promises/breaking.rs"]
mod breaking;
#[allow(dead_code)]
#[path = "../../../../crates/plimsoll-http/tests/browser/browser.rs"]
mod browser;
#[allow(dead_code)]
#[path = "../promises/service.rs"]
mod service;

mod a_frozen_database_is_survived_before_ones_eyes;
mod an_operators_token_is_asked_for;
