//! One server for a whole test run, and a fresh database in it for each test.
//!
//! nextest runs each test in a process of its own, and a server takes the better part of a second to make, so a server
//! per test would cost more than the tests. Here the first process that asks starts one, the others find it, and
//! each test gets a database of its own, copied from a template in some tens of milliseconds:
//!
//! ```no_run
//! # async fn example() -> plimsoll_embedded::Result<()> {
//! let database = plimsoll_embedded::test_server::database().await?;                       // empty
//! let stocked = plimsoll_embedded::test_server::database_from("shop", "CREATE TABLE item (id int)").await?;
//! println!("{} {}", database.url(), stocked.url());                                   // both are dropped at the end
//! # Ok(()) }
//! ```
//!
//! Nobody has to end the server: it stops some ten seconds after the last process that uses it is gone (and not before
//! the nextest run is over). What tests of one run still share is what PostgreSQL keeps for the whole server: roles,
//! settings, statistics, `max_connections`. A test that kills or configures the server takes a
//! [`Cluster`](crate::Cluster) of its own.

mod database;
mod keeper;
mod place;
mod server;
mod template;

pub use database::TestDatabase;
pub use server::TestServer;

use crate::error::Result;
use std::fmt::Display;
use std::sync::Arc;

/// The server of this test run; started if this is the first to ask. Dropped before it is done, a server that was just
/// coming up is stopped again by its keeper, or is found by the next who asks.
pub async fn server() -> Result<Arc<TestServer>> {
    server::of_this_process().await
}

/// A fresh, empty database. Dropped before it is done, a database may remain until the server stops.
pub async fn database() -> Result<TestDatabase> {
    TestDatabase::copy_of("template0", server().await?).await
}

/// A fresh copy of a database that `setup_sql` made: it is run once for all the tests of a run (in a template that is
/// named after `name` and a hash of the text, so that a changed text makes a new one), and copied for each.
///
/// Dropped before it is done, a database may remain until the server stops; a half-made template is made anew.
pub async fn database_from(name: &str, setup_sql: &str) -> Result<TestDatabase> {
    let server = server().await?;
    let template = template::from_sql(&server, name, setup_sql).await?;
    TestDatabase::copy_of(&template, server).await
}

/// The same, for what is more than SQL (such as migrations that are applied by a program): `setup` is handed the URL of
/// an empty database. It runs once for each `name` and `fingerprint`; let the latter change when the result would.
///
/// All connections to it must be closed when `setup` returns. Dropped before it is done, a half-made template is made
/// anew by the next who asks.
pub async fn database_made_by<E: Display>(
    name: &str,
    fingerprint: &str,
    setup: impl AsyncFnOnce(String) -> Result<(), E>,
) -> Result<TestDatabase> {
    let server = server().await?;
    let template = template::from_program(&server, name, fingerprint, setup).await?;
    TestDatabase::copy_of(&template, server).await
}
