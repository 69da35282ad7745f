//! Tenants in SQL, for operators: they are made, listed, shown with their numbers, suspended, let in again and deleted.
//!
//! Whether a tenant is let in is asked of its row with each request and each message, and nothing of it is kept in memory; so a
//! change counts for every instance from its COMMIT on, and there is nothing to tell them.

use super::lists::Listed;
use super::tenant::{Change, Draft, TenantStatus};
use super::{OperatorRefusal, OperatorTx};
use crate::affected::exactly;
use crate::instant::StoredInstant;
use plimsoll::tokio_postgres::Row;
use plimsoll::{Error, Result};
use serde_json::{Value, json};

const INSERT: &str = "
    INSERT INTO public.tenants (tenant_id, name, provision_key_hash) VALUES ($1, $2, $3)
    ON CONFLICT (tenant_id) DO NOTHING";

const FIRST_SITE: &str = "
    INSERT INTO public.sites (tenant_id, site_id, name) VALUES ($1, 'default', 'The default site')";

const FIRST_TOKEN: &str = "
    INSERT INTO public.tenant_access_tokens (tenant_id, token_hash, label) VALUES ($1, $2, 'first')";

/// The numbers of the tenant in the row `t`, in the order of [`stats`].
macro_rules! stats {
    () => {
        "(SELECT count(*) FROM public.device_registry d WHERE d.tenant_id = t.tenant_id AND d.status <> 'DELETED'),
         (SELECT count(*) FROM public.device_registry d WHERE d.tenant_id = t.tenant_id AND d.status = 'ACTIVE'),
         (SELECT count(*) FROM public.subscriptions s
          WHERE s.tenant_id = t.tenant_id AND s.status IN ('TRIAL', 'ACTIVE', 'GRACE')),
         (SELECT coalesce(sum(s.device_limit), 0)::bigint FROM public.subscriptions s
          WHERE s.tenant_id = t.tenant_id AND s.status IN ('TRIAL', 'ACTIVE', 'GRACE')),
         (SELECT count(*) FROM public.fleet_alert a
          WHERE a.tenant_id = t.tenant_id AND a.status IN ('OPEN', 'ACKNOWLEDGED')),
         (SELECT coalesce(sum(q.cnt), 0)::bigint FROM public.quarantine_counters_minute q
          WHERE q.tenant_id = t.tenant_id AND q.bucket_minute >= now() - interval '24 hours')"
    };
}

const PAGE: &str = concat!(
    "SELECT t.tenant_id, t.name, t.status, t.created_at, t.updated_at, t.deleted_at, ",
    stats!(),
    " FROM (SELECT tenant_id, name, status, created_at, updated_at, deleted_at FROM public.tenants
      WHERE tenant_id > $1 AND ($2::text IS NULL OR status = $2)
        AND ($3::text IS NULL OR strpos(lower(tenant_id || ' ' || name), lower($3)) > 0)
      ORDER BY tenant_id LIMIT $4) AS t ORDER BY t.tenant_id"
);

const ONE: &str = concat!(
    "SELECT t.tenant_id, t.name, t.status, t.created_at, t.updated_at, t.deleted_at, ",
    stats!(),
    " FROM public.tenants t WHERE t.tenant_id = $1"
);

/// What is written of the tenant's meanwhile refers to this row, and does not wait.
const LOCK: &str = "SELECT status FROM public.tenants WHERE tenant_id = $1 FOR NO KEY UPDATE";

const UPDATE: &str = "
    UPDATE public.tenants
    SET name = coalesce($2, name), status = $3, updated_at = now(),
        deleted_at = CASE WHEN $3 = 'DELETED' THEN coalesce(deleted_at, now()) END
    WHERE tenant_id = $1";

type Done<T> = Result<std::result::Result<T, OperatorRefusal>>;

/// Makes a tenant with its first site and its first token.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn create(tx: &OperatorTx, draft: &Draft, key_hash: &str, token_hash: &str) -> Done<()> {
    let id = draft.id.as_str();
    if tx.execute(INSERT, &[&id, &draft.name, &key_hash]).await? == 0 {
        return Ok(Err(OperatorRefusal::TenantExists));
    }
    exactly(1, tx.execute(FIRST_SITE, &[&id]).await?, "making a tenant's first site")?;
    exactly(1, tx.execute(FIRST_TOKEN, &[&id, &token_hash]).await?, "making a tenant's first token")?;
    Ok(Ok(()))
}

/// Up to `limit` tenants with their numbers, whose ids come after `after`, in order, of this state and with this text in their id
/// or name.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(
    tx: &OperatorTx,
    status: Option<&str>,
    search: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Listed<String>>> {
    let rows = tx.query(PAGE, &[&after, &status, &search, &limit]).await?;
    rows.iter().map(|row| Ok(Listed { key: row.try_get(0)?, json: shown(row)? })).collect()
}

/// A tenant with its numbers.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn one(tx: &OperatorTx, tenant: &str) -> Done<Value> {
    let Some(row) = tx.query_opt(ONE, &[&tenant]).await? else {
        return Ok(Err(OperatorRefusal::TenantNotFound));
    };
    shown(&row).map(Ok)
}

/// Changes a tenant, and shows it as it is then.
///
/// # Errors
/// As any statement's; the transaction has to be given up then.
///
/// # Cancel safety
/// It goes with the transaction.
pub async fn change(tx: &OperatorTx, tenant: &str, change: &Change) -> Done<Value> {
    let Some(row) = tx.query_opt(LOCK, &[&tenant]).await? else {
        return Ok(Err(OperatorRefusal::TenantNotFound));
    };
    let status = TenantStatus::parse(row.try_get(0)?)
        .ok_or_else(|| Error::abort("a tenant is in a state unknown here"))?;
    let next = change.status.unwrap_or(status);
    if !status.may_become(next) || (status == TenantStatus::Deleted && change.name.is_some()) {
        return Ok(Err(OperatorRefusal::TenantDeleted));
    }
    let changed = tx.execute(UPDATE, &[&tenant, &change.name, &next.as_str()]).await?;
    exactly(1, changed, "changing a tenant")?;
    one(tx, tenant).await
}

fn shown(row: &Row) -> Result<Value> {
    let time = |place: usize| row.try_get::<_, Option<StoredInstant>>(place);
    Ok(json!({
        "tenant_id": row.try_get::<_, String>(0)?,
        "name": row.try_get::<_, String>(1)?,
        "status": row.try_get::<_, String>(2)?,
        "created_at": time(3)?.map(|time| time.to_string()),
        "updated_at": time(4)?.map(|time| time.to_string()),
        "deleted_at": time(5)?.map(|time| time.to_string()),
        "stats": stats(row)?,
    }))
}

fn stats(row: &Row) -> Result<Value> {
    let number = |place: usize| row.try_get::<_, i64>(place);
    Ok(json!({
        "devices": number(6)?,
        "devices_active": number(7)?,
        "subscriptions": number(8)?,
        "device_limit": number(9)?,
        "alerts_open": number(10)?,
        "not_taken_24h": number(11)?,
    }))
}
