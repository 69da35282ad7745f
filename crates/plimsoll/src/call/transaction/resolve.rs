//! Finds out the outcome of a transaction whose COMMIT was sent and never answered.
//!
//! The server keeps the outcome of every recent transaction. While the old backend still works on it, the answer is "in
//! progress", and the question is asked again; later it is final. Two events make the answer that of another transaction.
//!
//! *A crash*: an id whose record never reached the disk is given out again, and "committed" then belongs to another
//! transaction. A crash resets the server's shared statistics, so a `stats_reset` that is younger than the transaction means
//! that nothing can be concluded.
//!
//! *A failover*: a standby that takes over gives out again every id of which it was sent nothing. It begins a new timeline
//! then, so another timeline than the transaction's means the same. A standby that has not taken over has no timeline of its
//! own and refuses the question; it is asked again, wherever the pool's next connection leads.

use crate::call::breaker::Permit;
use crate::call::connection::PooledConnection;
use crate::call::postgres::Postgres;
use crate::deadline::Deadline;
use crate::error::{Outcome, Result};
use crate::name::WorkName;
use crate::pool::{Ask, Pool};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

const ASK: &str = "SELECT CASE WHEN pg_catalog.split_part($1::text, ' ', 2) <> \
                   pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) OR EXISTS (SELECT FROM \
                   pg_catalog.pg_stat_bgwriter \
                   WHERE stats_reset >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)) \
                   THEN NULL ELSE pg_catalog.pg_xact_status(pg_catalog.split_part($1::text, ' ', 1)::xid8) END";

/// The outcome of the transaction of this [`IDENTITY`](crate::call::options::IDENTITY), or [`Outcome::Unknown`] if it was not known by the deadline.
///
/// # Cancel safety
/// Only asks.
pub(crate) async fn outcome_of(
    pool: &Pool<Postgres>,
    identity: &str,
    work: &WorkName,
    began: Instant,
    deadline: Option<Deadline>,
) -> Outcome {
    let limit = Deadline::at(Instant::now() + pool.inner.manager.server.plan.reclaim_timeout());
    let until = limit.or_earlier(deadline).instant();
    let mut pause = Duration::from_millis(10);
    while Instant::now() < until {
        match timeout_at(until, ask(pool, identity, work, began)).await {
            Ok(Ok(Some(status))) if status == "committed" => return Outcome::Committed,
            Ok(Ok(Some(status))) if status == "aborted" => return Outcome::RolledBack,
            Ok(Ok(Some(_in_progress))) => {}
            // Too long ago for the server to remember, or it has crashed or another one has taken over since.
            Ok(Ok(None)) => return Outcome::Unknown,
            Ok(Err(error)) => {
                tracing::debug!(target: "plimsoll", %work, "the outcome of a COMMIT could not be asked for: {error}");
            }
            Err(_) => return Outcome::Unknown,
        }
        sleep_until((Instant::now() + pause).min(until)).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
    Outcome::Unknown
}

async fn ask(
    pool: &Pool<Postgres>,
    identity: &str,
    work: &WorkName,
    began: Instant,
) -> Result<Option<String>> {
    let lease = pool.acquire(Ask::by(work.clone())).await?;
    let connection = PooledConnection::new(lease, work.clone(), None, Permit::unasked());
    let row = connection.query_one(ASK, &[&identity, &began.elapsed().as_secs_f64()]).await?;
    Ok(row.try_get(0)?)
}
