//! How full the database is: its size, its connections, and its largest tables.

use crate::call::builder::Call;
use crate::call::database::Database;
use crate::error::Result;
use crate::name::WorkName;
use std::future::Future;

const BYTES_IN_MB: f64 = 1024.0 * 1024.0;

/// The backends of all databases count against `max_connections`.
const WHOLE: &str = "SELECT pg_database_size(current_database()), \
     (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
     current_setting('max_connections')::bigint";

/// A table that is dropped meanwhile has no size, so it is left out.
const LARGEST: &str = "SELECT name, total, data, indexes FROM ( \
         SELECT format('%s.%s', schemaname, relname) AS name, pg_total_relation_size(relid) AS total, \
                pg_table_size(relid) AS data, pg_indexes_size(relid) AS indexes \
         FROM pg_stat_user_tables) AS sizes \
     WHERE total IS NOT NULL AND data IS NOT NULL AND indexes IS NOT NULL \
     ORDER BY total DESC, name LIMIT 10";

/// How full the database is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Capacity {
    /// The size of this database, in bytes.
    pub db_size_bytes: u64,
    /// Client connections of the whole server.
    pub connections_used: u32,
    /// The most connections that the server allows.
    pub connections_max: u32,
    /// The ten largest tables with their indexes and long values, the largest first.
    pub top_tables: Vec<TableSize>,
}

/// The size of one table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TableSize {
    /// The name, with its schema.
    pub name: String,
    /// Everything, in bytes.
    pub total_bytes: u64,
    /// Rows, long values and maps, in bytes.
    pub data_bytes: u64,
    /// Indexes, in bytes.
    pub index_bytes: u64,
}

impl Capacity {
    /// The size of this database in MiB, with two decimals.
    #[must_use]
    pub fn db_size_mb(&self) -> f64 {
        mb(self.db_size_bytes)
    }

    /// Used connections in per cent of all, with one decimal.
    #[must_use]
    pub fn connections_pct(&self) -> f64 {
        let share = f64::from(self.connections_used) / f64::from(self.connections_max.max(1));
        (share * 1000.0).round() / 10.0
    }
}

impl TableSize {
    /// Everything, in MiB with two decimals.
    #[must_use]
    pub fn total_mb(&self) -> f64 {
        mb(self.total_bytes)
    }

    /// Rows, long values and maps, in MiB with two decimals.
    #[must_use]
    pub fn data_mb(&self) -> f64 {
        mb(self.data_bytes)
    }

    /// Indexes, in MiB with two decimals.
    #[must_use]
    pub fn index_mb(&self) -> f64 {
        mb(self.index_bytes)
    }
}

fn mb(bytes: u64) -> f64 {
    (bytes as f64 / BYTES_IN_MB * 100.0).round() / 100.0
}

impl Database {
    /// How full the database is, asked on a connection of the pool, within its ordinary limits.
    ///
    /// # Errors
    /// Those of [`Database::query`]; they are logged too. A table that another session holds an exclusive lock on is waited
    /// for until `lock_timeout`.
    ///
    /// # Cancel safety
    /// As [`Database::query`]; it changes nothing.
    #[track_caller]
    pub fn capacity(&self) -> impl Future<Output = Result<Capacity>> + Send + use<'_> {
        let call = Call::new(self, WorkName::given("capacity"));
        async move {
            let capacity = ask(call).await;
            if let Err(error) = &capacity {
                tracing::error!(target: "plimsoll", code = error.code(), "Failed to get Postgres capacity: {error}");
            }
            capacity
        }
    }
}

async fn ask(call: Call<'_>) -> Result<Capacity> {
    let lease = call.acquire().await?;
    let whole = lease.query_one(WHOLE, &[]).await?;
    let mut top_tables = Vec::new();
    for row in lease.query(LARGEST, &[]).await? {
        top_tables.push(TableSize {
            name: row.try_get(0)?,
            total_bytes: unsigned(row.try_get(1)?),
            data_bytes: unsigned(row.try_get(2)?),
            index_bytes: unsigned(row.try_get(3)?),
        });
    }
    Ok(Capacity {
        db_size_bytes: unsigned(whole.try_get(0)?),
        connections_used: u32::try_from(unsigned(whole.try_get(1)?)).unwrap_or(u32::MAX),
        connections_max: u32::try_from(unsigned(whole.try_get(2)?)).unwrap_or(u32::MAX),
        top_tables,
    })
}

/// PostgreSQL's counts are never negative, but its integers are signed.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
