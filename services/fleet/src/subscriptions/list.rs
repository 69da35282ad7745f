//! Subscriptions and their events as they are shown.

use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use serde_json::{Value, json};

macro_rules! shown {
    ($rest:literal) => {
        concat!(
            "SELECT subscription_id, subscription_type, parent_id, status, device_limit, active_device_count, plan_id,
                    description, term_start, term_end, grace_end
             FROM public.subscriptions WHERE tenant_id = $1 AND ",
            $rest
        )
    };
}

const ONE: &str = shown!("subscription_id = $2");

const PAGE: &str = shown!("subscription_id > $2 ORDER BY subscription_id LIMIT $3");

/// The newest first; a subscription whose events are asked for is named.
const EVENTS: &str = "
    SELECT event_id, subscription_id, event_type, event_timestamp, device_id, actor_type, actor_id, details::text
    FROM public.subscription_event_log
    WHERE tenant_id = $1 AND ($2::bigint IS NULL OR event_id < $2) AND ($3::text IS NULL OR subscription_id = $3)
    ORDER BY event_id DESC LIMIT $4";

/// A row as it is shown, with the key by which it stands in its list.
#[derive(Clone, Debug)]
pub struct Listed<K> {
    /// The key.
    pub key: K,
    /// The row.
    pub json: Value,
}

/// A subscription, if it is there.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn one(tx: &TenantTx, subscription: &str) -> Result<Option<Value>> {
    let row = tx.query_opt(ONE, &[&tx.tenant(), &subscription]).await?;
    row.as_ref().map(|row| subscription_of(row).map(|listed| listed.json)).transpose()
}

/// Up to `limit` subscriptions whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: &str, limit: i64) -> Result<Vec<Listed<String>>> {
    tx.query(PAGE, &[&tx.tenant(), &after, &limit]).await?.iter().map(subscription_of).collect()
}

/// Up to `limit` events that are older than the one with this id, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn events(
    tx: &TenantTx,
    before: Option<i64>,
    subscription: Option<&str>,
    limit: i64,
) -> Result<Vec<Listed<i64>>> {
    tx.query(EVENTS, &[&tx.tenant(), &before, &subscription, &limit]).await?.iter().map(event_of).collect()
}

fn subscription_of(row: &Row) -> Result<Listed<String>> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let time = |place: usize| row.try_get::<_, Option<StoredInstant>>(place);
    let key: String = row.try_get(0)?;
    let json = json!({
        "subscription_id": key,
        "subscription_type": text(1)?,
        "parent_id": text(2)?,
        "status": text(3)?,
        "device_limit": row.try_get::<_, i32>(4)?,
        "active_device_count": row.try_get::<_, i32>(5)?,
        "plan_id": text(6)?,
        "description": text(7)?,
        "term_start": time(8)?.map(|time| time.to_string()),
        "term_end": time(9)?.map(|time| time.to_string()),
        "grace_end": time(10)?.map(|time| time.to_string()),
    });
    Ok(Listed { key, json })
}

fn event_of(row: &Row) -> Result<Listed<i64>> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let key: i64 = row.try_get(0)?;
    let details: Value = serde_json::from_str(row.try_get(7)?).unwrap_or_default();
    let json = json!({
        "event_id": key,
        "subscription_id": text(1)?,
        "event_type": text(2)?,
        "event_timestamp": row.try_get::<_, StoredInstant>(3)?.to_string(),
        "device_id": text(4)?,
        "actor_type": text(5)?,
        "actor_id": text(6)?,
        "details": details,
    });
    Ok(Listed { key, json })
}
