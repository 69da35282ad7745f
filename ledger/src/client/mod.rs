//! How each lane does an operation, and what its caller may believe afterwards.

#[cfg(feature = "peers")]
mod belief;
#[cfg(feature = "peers")]
mod deadpool;
mod guarded;
#[cfg(feature = "peers")]
mod saying;
#[cfg(feature = "peers")]
mod sqlx;

use crate::op::Deed;
use anyhow::Result;
use futures_util::future::BoxFuture;
use plimsoll_faults::ledger::End;
use std::sync::Arc;
use std::time::Duration;

/// Connections of each pool.
pub(crate) const SIZE: usize = 5;

/// How often work is tried, and how long is waited before the second and the third time, where services are told to
/// try again: `execute_with_retry` of the resilience guides, which tries three times what failed with the connection.
pub(crate) const PRESCRIBED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// Whose pool, and whether its caller tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Lane {
    /// Plimsoll, and whatever failed has failed.
    Plimsoll,
    /// Plimsoll with its own tries, and the prescribed ones where the outcome says that nothing stays.
    PlimsollRetries,
    /// deadpool-postgres, and whatever failed has failed.
    Deadpool,
    /// deadpool-postgres with the prescribed tries.
    DeadpoolRetries,
    /// sqlx, and whatever failed has failed.
    Sqlx,
    /// sqlx with the prescribed tries.
    SqlxRetries,
}

impl Lane {
    /// Those that this build can run, Plimsoll's first.
    pub const ALL: &'static [Lane] = &[
        Lane::Plimsoll,
        Lane::PlimsollRetries,
        #[cfg(feature = "peers")]
        Lane::Deadpool,
        #[cfg(feature = "peers")]
        Lane::DeadpoolRetries,
        #[cfg(feature = "peers")]
        Lane::Sqlx,
        #[cfg(feature = "peers")]
        Lane::SqlxRetries,
    ];

    /// As the table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lane::Plimsoll => "Plimsoll",
            Lane::PlimsollRetries => "Plimsoll, retries",
            Lane::Deadpool => "deadpool",
            Lane::DeadpoolRetries => "deadpool, retries",
            Lane::Sqlx => "sqlx",
            Lane::SqlxRetries => "sqlx, retries",
        }
    }

    /// Its database.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Lane::Plimsoll => "plimsoll",
            Lane::PlimsollRetries => "plimsoll_retries",
            Lane::Deadpool => "deadpool",
            Lane::DeadpoolRetries => "deadpool_retries",
            Lane::Sqlx => "sqlx",
            Lane::SqlxRetries => "sqlx_retries",
        }
    }

    /// Whether it is ours, whose figures must be zero.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Lane::Plimsoll | Lane::PlimsollRetries)
    }

    /// Whether its callers try again.
    pub(crate) fn retries(self) -> bool {
        matches!(self, Lane::PlimsollRetries | Lane::DeadpoolRetries | Lane::SqlxRetries)
    }

    /// Opens its pool.
    pub(crate) async fn open(self, place: &Place) -> Result<Arc<dyn Client>> {
        let retries = self.retries();
        match self {
            Lane::Plimsoll | Lane::PlimsollRetries => {
                Ok(Arc::new(guarded::Guarded::open(place, retries).await?))
            }
            #[cfg(feature = "peers")]
            Lane::Deadpool | Lane::DeadpoolRetries => Ok(Arc::new(deadpool::Deadpool::open(place, retries)?)),
            #[cfg(feature = "peers")]
            Lane::Sqlx | Lane::SqlxRetries => Ok(Arc::new(sqlx::Sqlx::open(place, retries))),
            #[cfg(not(feature = "peers"))]
            other => anyhow::bail!("{} needs the feature `peers`", other.name()),
        }
    }
}

/// Where a lane's pool connects to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// On this machine.
    pub(crate) port: u16,
    /// As whom.
    pub(crate) user: String,
    /// By what.
    pub(crate) password: String,
    /// The lane's own.
    pub(crate) database: &'static str,
    /// Whether a pooler in transaction mode stands between.
    pub(crate) is_pooled: bool,
}

/// A pool, and what its callers do with it.
pub(crate) trait Client: Send + Sync {
    /// Does it, and gives what the caller was told of each id, in the order of the ids.
    ///
    /// Dropped half-way, what became of it is not known.
    fn act<'a>(&'a self, deed: &'a Deed) -> BoxFuture<'a, Vec<End>>;

    /// Which of these ids are stored, once whoever is still writing has ended: how a caller settles what it was not told.
    fn find<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>>>;

    /// Lets go of its connections, as a program does that ends.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A statement is done as text where a pooler would not find it by its name again.
#[cfg(feature = "peers")]
fn with_ids(sql: &str, ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sql.replace("$1", &format!("ARRAY[{}]::bigint[]", ids.join(",")))
}

/// The ids among these that are stored.
const AMONG: &str = "SELECT id FROM entry WHERE id = ANY($1) UNION SELECT id FROM keyed WHERE id = ANY($1)";
