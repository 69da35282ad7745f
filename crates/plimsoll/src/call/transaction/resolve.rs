//! Finds out the outcome of a transaction whose COMMIT was sent and never answered.
//!
//! The server keeps the outcome of every recent transaction. While the old backend still works on it, the answer is "in
//! progress", and the question is asked again; later it is final. This holds on the same server and on physical standbys
//! that have caught up, but not after a fail-over that lost data.
//!
//! Nor does it hold after a crash: an id whose record never reached the disk is given out again, and "committed" then
//! belongs to another transaction. A crash resets the server's shared statistics, so a `stats_reset` that is younger than
//! the transaction means that nothing can be concluded.

use crate::call::breaker::Permit;
use crate::call::connection::PooledConnection;
use crate::call::postgres::Postgres;
use crate::deadline::Deadline;
use crate::error::{Outcome, Result};
use crate::name::WorkName;
use crate::pool::{Ask, Pool};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

const ASK: &str = "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_stat_bgwriter \
                   WHERE stats_reset >= pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)) \
                   THEN NULL ELSE pg_catalog.pg_xact_status($1::text::xid8) END";

/// The outcome, or [`Outcome::Unknown`] if it was not known by the deadline.
///
/// # Cancel safety
/// Only asks.
pub(crate) async fn outcome_of(
    pool: &Pool<Postgres>,
    xid: &str,
    work: &WorkName,
    began: Instant,
    deadline: Option<Deadline>,
) -> Outcome {
    let limit = Deadline::at(Instant::now() + pool.inner.manager.server.plan.reclaim_timeout());
    let until = limit.or_earlier(deadline).instant();
    let mut pause = Duration::from_millis(10);
    while Instant::now() < until {
        match timeout_at(until, ask(pool, xid, work, began)).await {
            Ok(Ok(Some(status))) if status == "committed" => return Outcome::Committed,
            Ok(Ok(Some(status))) if status == "aborted" => return Outcome::RolledBack,
            Ok(Ok(Some(_in_progress))) => {}
            // Too long ago for the server to remember, or it has crashed since.
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

async fn ask(pool: &Pool<Postgres>, xid: &str, work: &WorkName, began: Instant) -> Result<Option<String>> {
    let lease = pool.acquire(Ask::by(work.clone())).await?;
    let connection = PooledConnection::new(lease, work.clone(), None, Permit::unasked());
    let row = connection.query_one(ASK, &[&xid, &began.elapsed().as_secs_f64()]).await?;
    Ok(row.try_get(0)?)
}
