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
//! | [`pools`], [`session`] | the four pools, and what each session stands under whatever its login prefers |
//! | [`role`], [`schema`], [`demo`], `own` | the login role, the migrations, the tenant of the first hour, the database of one's own |
//! | [`env_file`], `database_url`, `private_file` | `.env.fleet`: how to talk to the service and its database |
//! | [`tenants`] | whose everything is; the only transaction in which a tenant's rows are seen |
//! | [`devices`], [`subscriptions`] | the registry, and the count |
//! | [`ingest`] | from message to row |
//! | [`operator`] | health, for whoever runs the service |
//! | [`reply`], [`request`], [`keyset`], [`instant`], [`credentials`] | failures over HTTP, id and deadline, pages, times as they are shown, secrets |

pub mod bring_up;
pub mod config;
pub mod credentials;
mod database_url;
pub mod demo;
pub mod devices;
pub mod env_file;
pub mod ingest;
pub mod instant;
pub mod keyset;
pub mod operator;
#[cfg(feature = "dev")]
mod own;
pub mod pools;
mod private_file;
pub mod reply;
pub mod request;
pub mod role;
mod routes;
pub mod schema;
pub mod service;
pub mod session;
pub mod start;
pub mod subscriptions;
pub mod tenants;

pub use config::{Config, Source};
pub use start::{Running, StartError, start};
