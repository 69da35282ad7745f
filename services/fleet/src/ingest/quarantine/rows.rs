//! The rows of the quarantine: one transaction for what was noted of a tenant.
//!
//! It also takes away what is too old or too much, and so what is kept of a tenant is bounded by the time at which it was last
//! added to.

use super::Noted;
use crate::tenants::{TenantId, TenantTx, transaction};
use jiff::Timestamp;
use plimsoll::tokio_postgres::types::ToSql;
use plimsoll::{Database, Result};

/// Messages of one tenant that are kept, the newest.
pub const MOST: i64 = 10_000;

const COUNT: &str = "
    INSERT INTO public.quarantine_counters_minute AS c (tenant_id, bucket_minute, reason, cnt)
    SELECT $1, r.minute, r.reason, r.cnt FROM unnest($2::timestamptz[], $3::text[], $4::bigint[]) AS r (minute, reason, cnt)
    ON CONFLICT (tenant_id, bucket_minute, reason) DO UPDATE SET cnt = c.cnt + excluded.cnt";

const KEEP: &str = "
    INSERT INTO public.quarantine_events (tenant_id, ingested_at, device_id, msg_type, reason, payload)
    SELECT $1, r.* FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[]) AS r";

/// Older than a week, or older than the newest so many.
const PRUNE: &str = "
    DELETE FROM public.quarantine_events WHERE tenant_id = $1
    AND (ingested_at < now() - make_interval(days => 7)
         OR event_id <= (SELECT e.event_id FROM public.quarantine_events e
                         WHERE e.tenant_id = $1 ORDER BY e.event_id DESC OFFSET $2 LIMIT 1))";

const PRUNE_COUNTS: &str = "
    DELETE FROM public.quarantine_counters_minute
    WHERE tenant_id = $1 AND bucket_minute < now() - make_interval(days => 30)";

/// Writes what was noted of a tenant.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// All or nothing.
pub async fn write(db: &Database, tenant: &TenantId, noted: &Noted) -> Result<()> {
    let call = db.named("write quarantine").resolvable();
    transaction::retrying(call, tenant, async |tx: TenantTx| write_in(&tx, noted).await).await
}

async fn write_in(tx: &TenantTx, noted: &Noted) -> Result<()> {
    let minute = |second: i64| Timestamp::from_second(second).unwrap_or_default();
    let minutes: Vec<Timestamp> = noted.counts.keys().map(|(second, _)| minute(*second)).collect();
    let reasons: Vec<&str> = noted.counts.keys().map(|(_, reason)| *reason).collect();
    let counts: Vec<i64> =
        noted.counts.values().map(|count| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
    tx.execute(COUNT, &[&tx.tenant(), &minutes, &reasons, &counts]).await?;
    if !noted.kept.is_empty() {
        let times: Vec<Timestamp> = noted.kept.iter().map(|kept| kept.at).collect();
        let devices: Vec<&str> = noted.kept.iter().map(|kept| kept.device.as_str()).collect();
        let kinds: Vec<&str> = noted.kept.iter().map(|kept| kept.kind.as_str()).collect();
        let reasons: Vec<&str> = noted.kept.iter().map(|kept| kept.reason).collect();
        let payloads: Vec<&str> = noted.kept.iter().map(|kept| kept.payload.as_str()).collect();
        let values: [&(dyn ToSql + Sync); 6] = [&tx.tenant(), &times, &devices, &kinds, &reasons, &payloads];
        tx.execute(KEEP, &values).await?;
    }
    tx.execute(PRUNE, &[&tx.tenant(), &MOST]).await?;
    tx.execute(PRUNE_COUNTS, &[&tx.tenant()]).await.map(drop)
}
