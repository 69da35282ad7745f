//! The registry of devices in SQL.

use super::admission::{Record, Registered};
use super::{DeviceId, DeviceStatus, SiteId};
use crate::tenants::TenantTx;
use plimsoll::{Error, Result};

/// The tenant and the device of this id, as far as they exist, in one row.
const RECORD: &str = "
    SELECT t.status = 'ACTIVE', t.provision_key_hash, d.status, d.site_id, d.provision_token_hash, s.status
    FROM public.tenants t
    LEFT JOIN public.device_registry d ON d.tenant_id = t.tenant_id AND d.device_id = $2
    LEFT JOIN public.subscriptions s ON s.tenant_id = d.tenant_id AND s.subscription_id = d.subscription_id
    WHERE t.tenant_id = $1";

/// What is on record about this tenant and this device.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn record(tx: &TenantTx, device: &DeviceId) -> Result<Option<Record>> {
    let Some(row) = tx.query_opt(RECORD, &[&tx.tenant(), &device.as_str()]).await? else { return Ok(None) };
    let device = match row.try_get::<_, Option<&str>>(2)? {
        None => None,
        Some(status) => Some(Registered {
            status: DeviceStatus::parse(status)
                .ok_or_else(|| Error::abort(format!("the registry holds a state unknown here: {status}")))?,
            site: SiteId::parse(row.try_get(3)?)
                .ok_or_else(|| Error::abort("the registry holds a site id that is none"))?,
            token_hash: row.try_get(4)?,
            subscription: row.try_get(5)?,
        }),
    };
    Ok(Some(Record { tenant_is_active: row.try_get(0)?, tenant_key_hash: row.try_get(1)?, device }))
}
