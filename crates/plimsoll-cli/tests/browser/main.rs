//! What the pages of HTML promise to those who look at them, seen in a real browser. `scripts/setup test` installs one and its driver;
//! where they cannot be had, these tests are left out by this program's name.
//!
//! It is a program of its own because the crate that talks to the driver adds operators to `String`, by which other tests would
//! be ambiguous.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// With this the tests of the dashboard begin too; not all of it is used here.
#[allow(dead_code)]
#[path = "../../../plimsoll-http/tests/browser/browser.rs"]
mod browser;
mod looked_at;

// With these the other promises begin too; not all of them is used here.
#[allow(dead_code)]
#[path = "../promises/command.rs"]
mod command;
#[allow(dead_code)]
#[path = "../promises/pages/scene.rs"]
mod scene;
#[allow(dead_code)]
#[path = "../promises/server_sessions.rs"]
mod server_sessions;

mod a_page_is_read_on_any_screen;
mod a_report_is_read_on_any_screen;

mod service {
    /// Longer than anything takes on a machine that is busy with other things.
    pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);
}
