//! A service that takes readings from fleets of devices and keeps them in PostgreSQL, and that uses Plimsoll in
//! earnest: what the library promises is only worth something if a real service keeps its own promises with it.
//!
//! - A reading is acknowledged after the transaction that holds it has committed, and not before.
//! - The same reading is stored once, however often the device sends it.
//! - A first message registers its device exactly once, whatever the concurrency.
//! - A tenant's rows are seen in that tenant's transaction and nowhere else.
//! - It starts and answers while the database is away.
//!
//! # The map
//! | room | what is in it |
//! |---|---|
//! | [`config`], [`mod@start`], [`bring_up`], [`service`] | what was said, the order of starting and stopping, what handlers share |
//! | [`role`], [`schema`], [`demo`], `own` | the login role, the migrations, the tenant of the first hour, the database of one's own |
//! | [`tenants`] | whose everything is; the only transaction in which a tenant's rows are seen |
//! | [`devices`], [`subscriptions`] | the registry, and the count |
//! | [`ingest`] | from message to row |
//! | [`reply`], [`request`], [`keyset`], [`credentials`] | failures over HTTP, id and deadline, pages, secrets |

pub mod bring_up;
pub mod config;
pub mod credentials;
pub mod demo;
pub mod devices;
pub mod ingest;
pub mod keyset;
#[cfg(feature = "dev")]
mod own;
pub mod reply;
pub mod request;
pub mod role;
mod routes;
pub mod schema;
pub mod service;
pub mod start;
pub mod subscriptions;
pub mod tenants;

pub use config::{Config, Source};
pub use start::{Running, StartError, start};
