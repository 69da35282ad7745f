//! What people change of a device: its texts, its site, its tags; also the tags alone. One transaction: the row first, whose
//! lock keeps two that change the same tags in order, then the tags anew.

use super::draft::Details;
use super::register::put_tags;
use super::registry_refusal::RegistryRefusal;
use super::{DeviceId, SiteId};
use crate::affected::{self, NothingThere, exactly};
use crate::refusal::NotDone;
use crate::tenants::{TenantId, TenantTx, transaction};
use plimsoll::{Database, Result};

const SITE: &str = "SELECT 1 FROM public.sites WHERE tenant_id = $1 AND site_id = $2";

const UPDATE: &str = "
    UPDATE public.device_registry d
    SET site_id = coalesce($3, d.site_id),
        name = CASE WHEN said.o ? 'name' THEN said.o->>'name' ELSE d.name END,
        device_type = CASE WHEN said.o ? 'device_type' THEN said.o->>'device_type' ELSE d.device_type END,
        model = CASE WHEN said.o ? 'model' THEN said.o->>'model' ELSE d.model END,
        manufacturer = CASE WHEN said.o ? 'manufacturer' THEN said.o->>'manufacturer' ELSE d.manufacturer END,
        serial = CASE WHEN said.o ? 'serial' THEN said.o->>'serial' ELSE d.serial END,
        notes = CASE WHEN said.o ? 'notes' THEN said.o->>'notes' ELSE d.notes END,
        updated_at = now()
    FROM (SELECT $4::text::jsonb AS o) said
    WHERE d.tenant_id = $1 AND d.device_id = $2 AND d.status <> 'DELETED'";

const NO_TAGS: &str = "DELETE FROM public.device_tags WHERE tenant_id = $1 AND device_id = $2";

const NOT_THIS_TAG: &str = "
    DELETE FROM public.device_tags t USING public.device_registry d
    WHERE t.tenant_id = $1 AND t.device_id = $2 AND t.tag = $3
      AND d.tenant_id = t.tenant_id AND d.device_id = t.device_id AND d.status <> 'DELETED'";

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where it is from now on.
    pub site: Option<SiteId>,
    /// Its texts.
    pub details: Details,
    /// All of its tags from now on.
    pub tags: Option<Vec<String>>,
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.site.is_none() && self.details.is_empty() && self.tags.is_none()
    }
}

enum Changed {
    Done,
    NotThere,
    UnknownSite,
}

/// Changes a device.
///
/// # Errors
/// Why not, and what the database failed with; nothing was changed then, unless the outcome is unknown.
///
/// # Cancel safety
/// All or nothing.
pub async fn change(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    change: &Change,
) -> std::result::Result<(), NotDone<RegistryRefusal>> {
    if change.is_nothing() {
        return Err(RegistryRefusal::NothingToChange.into());
    }
    let call = db.named("update device").resolvable();
    let work = async |tx: TenantTx| apply(&tx, device, change).await;
    match transaction::retrying(call, tenant, work).await? {
        Changed::Done => Ok(()),
        Changed::NotThere => Err(RegistryRefusal::DeviceNotFound.into()),
        Changed::UnknownSite => Err(RegistryRefusal::UnknownSite.into()),
    }
}

async fn apply(tx: &TenantTx, device: &DeviceId, change: &Change) -> Result<Changed> {
    let (device, site) = (device.as_str(), change.site.as_ref().map(SiteId::as_str));
    if site.is_some() && tx.query_opt(SITE, &[&tx.tenant(), &site]).await?.is_none() {
        return Ok(Changed::UnknownSite);
    }
    let said = change.details.json();
    let updated = tx.execute(UPDATE, &[&tx.tenant(), &device, &site, &said]).await?;
    if updated == 0 {
        return Ok(Changed::NotThere);
    }
    exactly(1, updated, "updating a device")?;
    if let Some(tags) = &change.tags {
        tx.execute(NO_TAGS, &[&tx.tenant(), &device]).await?;
        put_tags(tx, device, tags).await?;
    }
    Ok(Changed::Done)
}

/// Takes one tag away.
///
/// # Errors
/// [`NothingThere`] when the device does not have it, and what the database failed with.
///
/// # Cancel safety
/// All or nothing.
pub async fn remove_tag(
    db: &Database,
    tenant: &TenantId,
    device: &DeviceId,
    tag: &str,
) -> std::result::Result<(), NotDone<NothingThere>> {
    let call = db.named("remove tag").resolvable();
    let work = async |tx: TenantTx| tx.execute(NOT_THIS_TAG, &[&tx.tenant(), &device.as_str(), &tag]).await;
    Ok(affected::any(transaction::retrying(call, tenant, work).await?)?)
}
