//! The tags of a device alone: read, all of them put anew, and some added. Each change of them writes the device's row first,
//! whose lock keeps two that do so at the same time in order; so the most that a device may have holds for both together.

use super::DeviceId;
use super::change::{self, Change};
use super::draft::{MOST_TAGS, bad};
use super::registry_refusal::RegistryRefusal;
use crate::affected::exactly;
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Result};

const READ: &str = "
    SELECT ARRAY(SELECT t.tag FROM public.device_tags t
                 WHERE t.tenant_id = d.tenant_id AND t.device_id = d.device_id ORDER BY t.tag)
    FROM public.device_registry d WHERE d.tenant_id = $1 AND d.device_id = $2 AND d.status <> 'DELETED'";

const TOUCH: &str = "
    UPDATE public.device_registry SET updated_at = now()
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED'";

const ADD: &str = "
    INSERT INTO public.device_tags (tenant_id, device_id, tag) SELECT $1, $2, unnest($3::text[])
    ON CONFLICT DO NOTHING";

/// Locks the device, so that the tags are those that it has until the end of the transaction.
const LOCK: &str = "
    SELECT FROM public.device_registry
    WHERE tenant_id = $1 AND device_id = $2 AND status <> 'DELETED' FOR UPDATE";

/// The tags of a device, in order.
///
/// # Errors
/// [`RegistryRefusal::DeviceNotFound`], and what the database failed with.
///
/// # Cancel safety
/// Only reads.
pub async fn read(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
) -> std::result::Result<Vec<String>, NotDone<RegistryRefusal>> {
    let call = db.named("read tags").read_only();
    let found = transaction::retrying(call, tenant, async |tx: TenantTx| tags_of(&tx, device).await).await?;
    found.ok_or_else(|| RegistryRefusal::DeviceNotFound.into())
}

/// Gives a device these tags, and takes all others away.
///
/// # Errors
/// Why not, and what the database failed with; nothing was changed then, unless the outcome is unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn replace(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    tags: Vec<String>,
) -> std::result::Result<(), NotDone<RegistryRefusal>> {
    change::change(db, tenant, device, &Change { tags: Some(tags), ..Change::default() }).await
}

/// Gives a device these tags too, and answers with all that it has then. Those that it had stay, so it may be asked twice.
///
/// # Errors
/// Why not, and what the database failed with; nothing was changed then, unless the outcome is unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn add(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    tags: &[String],
) -> std::result::Result<Vec<String>, NotDone<RegistryRefusal>> {
    let call = db.named("add tags").resolvable();
    let work = async |tx: TenantTx| add_in(&tx, device, tags).await;
    Ok(transaction::retrying(call, tenant, work).await??)
}

async fn add_in(
    tx: &TenantTx,
    device: &DeviceId,
    tags: &[String],
) -> Result<std::result::Result<Vec<String>, RegistryRefusal>> {
    if tx.query_opt(LOCK, &[&tx.tenant(), &device.as_str()]).await?.is_none() {
        return Ok(Err(RegistryRefusal::DeviceNotFound));
    }
    let has = tags_of(tx, device).await?.unwrap_or_default();
    let new: Vec<&str> = tags.iter().filter(|tag| !has.contains(tag)).map(String::as_str).collect();
    if new.is_empty() {
        return Ok(Ok(has));
    }
    if has.len() + new.len() > MOST_TAGS {
        return Ok(Err(bad(format!(
            "a device has at most {MOST_TAGS} tags, and this one has {}",
            has.len()
        ))));
    }
    exactly(1, tx.execute(TOUCH, &[&tx.tenant(), &device.as_str()]).await?, "updating a device")?;
    let added = tx.execute(ADD, &[&tx.tenant(), &device.as_str(), &new]).await?;
    exactly(u64::try_from(new.len()).unwrap_or(u64::MAX), added, "tagging a device")?;
    Ok(Ok(tags_of(tx, device).await?.unwrap_or_default()))
}

async fn tags_of(tx: &TenantTx, device: &DeviceId) -> Result<Option<Vec<String>>> {
    let row = tx.query_opt(READ, &[&tx.tenant(), &device.as_str()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
