//! The list of messages, each with its tries.

use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;

/// The states of a message. The table has the same list in a CHECK; a test compares them.
pub const STATES: [&str; 3] = ["PENDING", "SENT", "DEAD"];

const PAGE: &str = "
    SELECT job_id, idempotency_key::text, alert_id, event, route_id::text, integration_id::text, channel, status, attempts,
           next_run_at, last_error, created_at, finished_at
    FROM public.delivery_jobs
    WHERE tenant_id = $1 AND job_id < $2 AND ($3::text IS NULL OR status = $3) AND ($4::bigint IS NULL OR alert_id = $4)
    ORDER BY job_id DESC LIMIT $5";

const ATTEMPTS: &str = "
    SELECT job_id, attempt, started_at, finished_at, outcome, status_code, error FROM public.delivery_attempts
    WHERE tenant_id = $1 AND job_id = ANY ($2) ORDER BY job_id, attempt";

/// Which messages.
#[derive(Clone, Debug)]
pub struct Filter {
    /// In which state.
    pub status: Option<String>,
    /// Of which alert.
    pub alert: Option<i64>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// As its receiver knows it.
    pub key: String,
    /// The alert.
    pub alert: i64,
    /// What has happened.
    pub event: String,
    /// By which route; none for a step of an escalation.
    pub route: Option<String>,
    /// To which integration.
    pub integration: Option<String>,
    /// `webhook` or `email`.
    pub channel: String,
    /// Its state.
    pub status: String,
    /// The number of tries.
    pub attempts: i32,
    /// When it is tried next.
    pub next_run_at: StoredInstant,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// Since when it is there.
    pub created_at: StoredInstant,
    /// When it was sent or given up.
    pub finished_at: Option<StoredInstant>,
    /// In their order.
    pub log: Vec<Attempt>,
}

/// A try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its number.
    pub number: i32,
    /// When it began.
    pub started_at: StoredInstant,
    /// When it ended; none for one that was cut off or goes on.
    pub finished_at: Option<StoredInstant>,
    /// What it came to.
    pub outcome: Option<String>,
    /// What the receiver answered.
    pub status_code: Option<i32>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Up to `limit` messages with numbers below `below`, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, filter: &Filter, below: i64, limit: i64) -> Result<Vec<Delivery>> {
    let rows = tx.query(PAGE, &[&tx.tenant(), &below, &filter.status, &filter.alert, &limit]).await?;
    let mut found: Vec<Delivery> = rows.iter().map(delivery).collect::<Result<_>>()?;
    let ids: Vec<i64> = found.iter().map(|one| one.id).collect();
    if !ids.is_empty() {
        for row in tx.query(ATTEMPTS, &[&tx.tenant(), &ids]).await? {
            let of: i64 = row.try_get(0)?;
            if let Some(one) = found.iter_mut().find(|one| one.id == of) {
                one.log.push(attempt(&row)?);
            }
        }
    }
    Ok(found)
}

fn delivery(row: &Row) -> Result<Delivery> {
    Ok(Delivery {
        id: row.try_get(0)?,
        key: row.try_get(1)?,
        alert: row.try_get(2)?,
        event: row.try_get(3)?,
        route: row.try_get(4)?,
        integration: row.try_get(5)?,
        channel: row.try_get(6)?,
        status: row.try_get(7)?,
        attempts: row.try_get(8)?,
        next_run_at: row.try_get(9)?,
        last_error: row.try_get(10)?,
        created_at: row.try_get(11)?,
        finished_at: row.try_get(12)?,
        log: Vec::new(),
    })
}

fn attempt(row: &Row) -> Result<Attempt> {
    Ok(Attempt {
        number: row.try_get(1)?,
        started_at: row.try_get(2)?,
        finished_at: row.try_get(3)?,
        outcome: row.try_get(4)?,
        status_code: row.try_get(5)?,
        error: row.try_get(6)?,
    })
}
