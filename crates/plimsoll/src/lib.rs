//! The safe-load line for services on PostgreSQL.
//!
//! A slow, hung, restarting or dead database must not take a service with it, and nothing that was acknowledged may
//! be lost, doubled or lied about. One [`Database`] handle gives a guarded pool:
//!
//! ```no_run
//! use plimsoll::{Database, Settings, deadline};
//! use std::time::Duration;
//!
//! # async fn first_hour() -> Result<(), Box<dyn std::error::Error>> {
//! let db = Database::connect(Settings::from_env()?).await?; // a server that is away heals by itself
//!
//! let (tenant, id) = ("t1", "d7");
//! let device = db.query_opt("SELECT status FROM device WHERE tenant = $1 AND id = $2", &[&tenant, &id]).await?;
//!
//! let marked = db
//!     .transaction(async |tx| {
//!         tx.advisory_lock(("device", tenant, id)).await?;
//!         tx.execute("UPDATE device SET status = 'DELETED' WHERE tenant = $1 AND id = $2", &[&tenant, &id]).await
//!     })
//!     .await?; // commit on Ok; roll back on Err, drop or panic
//!
//! deadline::within(Duration::from_secs(2), async {
//!     // everything in here shares what remains of two seconds, and is stopped on the server when they are over
//!     db.named("heavy report").read_only().query("SELECT * FROM report", &[]).await
//! })
//! .await?;
//! # let _ = (device, marked); Ok(()) }
//! ```
//!
//! # The map
//! | word | what it is |
//! |---|---|
//! | [`Database`] | the handle that a program clones |
//! | [`Settings`] and [`settings::Plan`] | what was said, and what was checked |
//! | [`PooledConnection`] | a lent connection, given back by drop |
//! | [`Transaction`], [`TransactionGuard`] | commit on `Ok`, roll back on everything else |
//! | [`deadline`] | a point in time that travels with a request |
//! | [`Error`]: [`Fault`], [`Phase`], [`Outcome`] | what failed, how far it had come, what became of it |
//! | [`event::Event`] | something that happened and that nobody asked about |
//! | [`migrate`] | the schema, brought up to date under a lock |
//! | [`LockKey`] | keys of advisory locks, the same in every process and in SQL |

mod begin;
mod breaker;
mod call;
mod cancel_handle;
mod capacity;
mod connection;
mod database;
pub mod deadline;
mod error;
pub mod event;
mod fairness;
mod fault;
mod flight;
mod guard;
mod health;
mod heartbeat;
mod idempotent;
mod lock;
pub mod migrate;
mod moment;
mod name;
mod names;
mod nested;
mod outcome;
pub mod pool;
mod postgres;
mod resolve;
mod retry;
pub mod secret;
pub mod settings;
mod sql;
mod stale;
mod statement;
mod statements;
mod stream;
mod transaction;
mod wire;

pub use begin::Isolation;
pub use breaker::BreakerStatus;
pub use breaker::circuit::BreakerState;
pub use call::Call;
pub use cancel_handle::CancelHandle;
pub use capacity::{Capacity, TableSize};
pub use connection::{PooledConnection, WireState};
pub use database::Database;
pub use error::{BoxError, Error, Outcome, Phase, Result};
pub use fault::{Advice, Again, Fault};
pub use health::{Health, HealthState, Readiness};
pub use idempotent::Idempotent;
pub use lock::{KeyPart, LockKey};
pub use name::WorkName;
pub use pool::Priority;
pub use retry::RetryStatus;
pub use settings::Settings;
pub use statement::Params;
pub use statements::AsQuery;
pub use stream::{CopyIn, CopyOut, RowStream};
pub use tokio_postgres;
pub use transaction::{Transaction, TransactionGuard};
pub use wire::connect::Pooler;
pub use wire::link::Activity;

/// The README's example is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// The guide's recipes are compiled as well.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/timeouts.md")]
pub struct Timeouts;
