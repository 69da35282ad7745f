//! A guarded connection pool for services on PostgreSQL.
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
//! | [`Settings`] and [`settings::Plan`] | the settings as given, and as checked |
//! | [`PooledConnection`] | a lent connection, returned by drop |
//! | [`Budget`] | the connections that the pools of a program share |
//! | [`Transaction`], [`TransactionGuard`] | commit on `Ok`, roll back on everything else |
//! | [`deadline`] | a point in time that travels with a request |
//! | [`request_id`] | the name of a request, which travels with it |
//! | [`session_name`] | what the server shows of the work that a session does |
//! | [`Error`]: [`Fault`], [`Phase`], [`Outcome`] | what failed, how far it had come, what became of it |
//! | [`event::Event`] | something that happened and is no answer to a call |
//! | [`CommitToken`] | stands for a commit that a read on a replica must see |
//! | [`monitor`] | what went on between this program and its database, to be read or written as JSON |
//! | [`listen`] | notifications, and where some may be missing |
//! | [`migrate`] | the schema, brought up to date under a lock |
//! | [`LockKey`] | keys of advisory locks, the same in every process and in SQL |

mod call;
#[cfg(test)]
mod catalogs;
pub mod deadline;
mod driver_fault;
mod error;
pub mod event;
mod events;
mod fault;
mod lock_key;
mod lsn;
pub mod migrate;
mod moment;
mod name;
mod nested;
mod notification;
mod place;
pub mod pool;
mod pooler_said;
mod record;
mod refused_value;
pub mod request_id;
mod request_totals;
mod rules;
mod runner;
mod said;
pub mod secret;
pub mod session_name;
pub mod settings;
pub mod spans;
mod sql;
mod sync;
mod timeout_said;
mod token;
mod watch;
mod wire;
mod write_trail;

pub mod listen {
    //! Notifications: [`Database::listen`](crate::Database::listen) gives a [`Listener`], which gives a [`Message`] for each
    //! notification, and one wherever some may be missing.
    pub use crate::notification::{Gap, GapCause, Message, Notification};
    pub use crate::watch::listen::Listener;
}

pub mod monitor {
    //! What went on between this program and its database: [`Database::snapshot`](crate::Database::snapshot) tells all of
    //! it, [`Database::monitor`](crate::Database::monitor) part by part.
    pub use crate::record::histogram::HistogramSnapshot;
    pub use crate::record::locks::{Blocker, LockEpisode, LockHistory, WaitingWork};
    pub use crate::record::pool::ConnectionMetrics;
    pub use crate::record::time::Timestamp;
    #[cfg(feature = "otlp")]
    pub use crate::watch::metrics::otlp;
    pub use crate::watch::metrics::{
        alerts::{Alert, Severity, alert_rules, alerts},
        board::grafana_board,
        definition::{Metric, MetricKind},
        prometheus,
        reference::metrics_reference,
        table::metrics,
    };
    pub use crate::watch::monitor::access::Monitoring;
    pub use crate::watch::monitor::pulse::{Percentiles, Pulse, WaitEvents};
    pub use crate::watch::monitor::report::{
        BreakerTotals, Durations, HealthStatus, LeakWarning, PoolConfig, PoolGauges, QueryMetrics, Snapshot,
        StatementTotals,
    };
    pub use crate::watch::monitor::suggested::SuggestedLimit;
    pub use crate::watch::monitor::without_constants::without_constants;
    pub use plimsoll_inspect::blocking::WaitEvent;
}

pub use call::breaker::BreakerStatus;
pub use call::builder::Call;
pub use call::cancel_handle::CancelHandle;
pub use call::connection::{PooledConnection, WireState};
pub use call::database::Database;
pub use call::health::{Health, HealthState, Readiness};
pub use call::idempotent::Idempotent;
pub use call::options::Isolation;
pub use call::replicas::{ReplicaStatus, RoutingStatus};
pub use call::retry::RetryStatus;
pub use call::statement::query::{AsQuery, Params};
pub use call::statement::stream::{CopyIn, CopyOut, RowStream};
pub use call::transaction::{Transaction, TransactionGuard};
pub use error::{BoxError, Error, Outcome, Phase, Result};
pub use fault::{Advice, Again, Fault, SqlstateAdvice};
pub use lock_key::{KeyPart, LockKey};
pub use name::WorkName;
pub use place::ServerRole;
pub use pool::Priority;
pub use rules::circuit::BreakerState;
pub use settings::Settings;
pub use token::{CommitToken, NotAToken};
pub use tokio_postgres;
pub use watch::budget::Budget;
pub use watch::budget::status::BudgetStatus;
pub use watch::capacity::{Capacity, TableSize};
pub use watch::diagnostics::{Diagnostics, PoolDiagnostics, ServerDiagnostics, WaiterStatus, Waiting};
pub use wire::connect::Pooler;
pub use wire::direct::DirectConnection;
pub use wire::link::Activity;
#[cfg(plimsoll_loom)]
pub use wire::link::model as link_model;

/// Compiles the README's example with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// Compiles the guide's recipes as well.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/timeouts.md")]
pub struct Timeouts;
