//! What operators look through: the devices, alerts and rejected messages of all tenants, and the numbers of all together.

use super::OperatorTx;
use super::filter::Filter;
use crate::instant::StoredInstant;
use plimsoll::Result;
use plimsoll::tokio_postgres::Row;
use serde_json::{Map, Value, json};

/// The most of a rejected message that is shown, in characters; the whole of it is in the table.
const SHOWN: usize = 2_000;

const DEVICES: &str = "
    SELECT tenant_id, device_id, site_id, subscription_id, status, name, device_type, created_at, updated_at
    FROM public.device_registry
    WHERE (tenant_id, device_id) > ($1, $2) AND ($3::text IS NULL OR tenant_id = $3)
      AND CASE WHEN $4::text IS NULL THEN status <> 'DELETED' ELSE status = $4 END
      AND ($5::text IS NULL OR strpos(lower(device_id || ' ' || coalesce(name, '')), lower($5)) > 0)
    ORDER BY tenant_id, device_id LIMIT $6";

const ALERTS: &str = "
    SELECT id, tenant_id, site_id, device_id, alert_type, status, severity, summary, created_at, last_triggered_at
    FROM public.fleet_alert
    WHERE id < $1 AND ($2::text IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR status = $3)
      AND ($4::text IS NULL OR alert_type = $4)
    ORDER BY id DESC LIMIT $5";

const QUARANTINE: &str = "
    SELECT event_id, tenant_id, device_id, site_id, msg_type, reason, ingested_at, event_ts, left(payload, $5),
           length(payload)
    FROM public.quarantine_events
    WHERE event_id < $1 AND ($2::text IS NULL OR tenant_id = $2) AND ($3::text IS NULL OR reason = $3)
      AND ($4::text IS NULL OR device_id = $4)
    ORDER BY event_id DESC LIMIT $6";

const AGGREGATES: &str = "
    SELECT 'tenants', status, count(*) FROM public.tenants GROUP BY status
    UNION ALL SELECT 'devices', status, count(*) FROM public.device_registry GROUP BY status
    UNION ALL SELECT 'subscriptions', status, count(*) FROM public.subscriptions GROUP BY status
    UNION ALL SELECT 'alerts', status, count(*) FROM public.fleet_alert WHERE status <> 'CLOSED' GROUP BY status
    UNION ALL SELECT 'not_taken_24h', reason, sum(cnt)::bigint FROM public.quarantine_counters_minute
              WHERE bucket_minute >= now() - interval '24 hours' GROUP BY reason
    ORDER BY 1, 2";

/// A row as it is shown, with the key by which it stands in its list.
#[derive(Clone, Debug)]
pub struct Listed<K> {
    /// The key.
    pub key: K,
    /// The row.
    pub json: Value,
}

/// Up to `limit` devices behind this place, by their tenants and ids; those that were deleted only if they are asked for.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn devices(
    tx: &OperatorTx,
    filter: &Filter,
    after: &(String, String),
    limit: i64,
) -> Result<Vec<Listed<(String, String)>>> {
    let (tenant, status, search) = (filter.get("tenant_id"), filter.get("status"), filter.get("search"));
    let rows = tx.query(DEVICES, &[&after.0, &after.1, &tenant, &status, &search, &limit]).await?;
    rows.iter().map(device).collect()
}

fn device(row: &Row) -> Result<Listed<(String, String)>> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let json = json!({
        "tenant_id": text(0)?,
        "device_id": text(1)?,
        "site_id": text(2)?,
        "subscription_id": text(3)?,
        "status": text(4)?,
        "name": text(5)?,
        "device_type": text(6)?,
        "created_at": time(row, 7)?,
        "updated_at": time(row, 8)?,
    });
    Ok(Listed { key: (row.try_get(0)?, row.try_get(1)?), json })
}

/// Up to `limit` alerts that are older than the one with this id, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn alerts(tx: &OperatorTx, filter: &Filter, before: i64, limit: i64) -> Result<Vec<Listed<i64>>> {
    let (tenant, status, kind) = (filter.get("tenant_id"), filter.get("status"), filter.get("alert_type"));
    let rows = tx.query(ALERTS, &[&before, &tenant, &status, &kind, &limit]).await?;
    rows.iter().map(alert).collect()
}

fn alert(row: &Row) -> Result<Listed<i64>> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let id: i64 = row.try_get(0)?;
    let json = json!({
        "alert_id": id,
        "tenant_id": text(1)?,
        "site_id": text(2)?,
        "device_id": text(3)?,
        "alert_type": text(4)?,
        "status": text(5)?,
        "severity": row.try_get::<_, i32>(6)?,
        "summary": text(7)?,
        "created_at": time(row, 8)?,
        "last_triggered_at": time(row, 9)?,
    });
    Ok(Listed { key: id, json })
}

/// Up to `limit` rejected messages that are older than the one with this id, the newest first.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn quarantine(
    tx: &OperatorTx,
    filter: &Filter,
    before: i64,
    limit: i64,
) -> Result<Vec<Listed<i64>>> {
    let (tenant, reason, device) = (filter.get("tenant_id"), filter.get("reason"), filter.get("device_id"));
    let shown = i32::try_from(SHOWN).unwrap_or(i32::MAX);
    let rows = tx.query(QUARANTINE, &[&before, &tenant, &reason, &device, &shown, &limit]).await?;
    rows.iter().map(rejected).collect()
}

fn rejected(row: &Row) -> Result<Listed<i64>> {
    let text = |place: usize| row.try_get::<_, Option<String>>(place);
    let (id, payload, length): (i64, &str, i32) = (row.try_get(0)?, row.try_get(8)?, row.try_get(9)?);
    let json = json!({
        "event_id": id,
        "tenant_id": text(1)?,
        "device_id": text(2)?,
        "site_id": text(3)?,
        "msg_type": text(4)?,
        "reason": text(5)?,
        "ingested_at": time(row, 6)?,
        "event_ts": time(row, 7)?,
        "payload": harmless(payload),
        "payload_length": length,
        "is_cut": usize::try_from(length).is_ok_and(|length| length > SHOWN),
    });
    Ok(Listed { key: id, json })
}

/// What a stranger sent, without what acts on the text around it: controls but for lines and tabs, and what turns the direction
/// of writing. It is text in a JSON string, and a page that shows it escapes it as any text.
fn harmless(payload: &str) -> String {
    let acts = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    payload.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// How many there are of what, by their states, of all tenants together.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn aggregates(tx: &OperatorTx) -> Result<Value> {
    let mut told: Map<String, Value> = Map::new();
    for what in ["tenants", "devices", "subscriptions", "alerts", "not_taken_24h"] {
        told.insert(what.to_owned(), json!({}));
    }
    for row in tx.query(AGGREGATES, &[]).await? {
        let (what, state, count): (&str, &str, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if let Some(of) = told.get_mut(what).and_then(Value::as_object_mut) {
            of.insert(state.to_owned(), json!(count));
        }
    }
    Ok(Value::Object(told))
}

fn time(row: &Row, place: usize) -> Result<Option<String>> {
    Ok(row.try_get::<_, Option<StoredInstant>>(place)?.map(|time| time.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_text_is_taken_out_of_a_payload() {
        assert_eq!(harmless("{\"a\":\n\t1} <b>"), "{\"a\":\n\t1} <b>");
        assert_eq!(harmless("a\u{1b}[2J\u{202e}b\r"), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
    }
}
