//! The registry of devices in SQL.

use super::admission::{Record, Registered};
use super::{DeviceId, DeviceStatus, SiteId};
use crate::instant::StoredInstant;
use crate::tenants::TenantTx;
use plimsoll::{Error, Result};

/// The tenant and the device of this id, as far as they exist, in one row.
const RECORD: &str = "
    SELECT t.status = 'ACTIVE', t.provision_key_hash, d.status, d.site_id, d.provision_token_hash, s.status
    FROM public.tenants t
    LEFT JOIN public.device_registry d ON d.tenant_id = t.tenant_id AND d.device_id = $2
    LEFT JOIN public.subscriptions s ON s.tenant_id = d.tenant_id AND s.subscription_id = d.subscription_id
    WHERE t.tenant_id = $1";

const PAGE: &str = "
    SELECT device_id, site_id, status, created_at FROM public.device_registry
    WHERE tenant_id = $1 AND device_id > $2 AND status <> 'DELETED'
    ORDER BY device_id LIMIT $3";

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

/// A device in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub device_id: String,
    /// Where it is.
    pub site_id: String,
    /// Its state.
    pub status: String,
    /// Since when it is registered.
    pub created_at: StoredInstant,
}

/// Up to `limit` devices whose ids come after `after`, in order.
///
/// # Errors
/// As any statement's.
///
/// # Cancel safety
/// Only reads.
pub async fn page(tx: &TenantTx, after: &str, limit: i64) -> Result<Vec<Listed>> {
    let rows = tx.query(PAGE, &[&tx.tenant(), &after, &limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Listed {
                device_id: row.try_get(0)?,
                site_id: row.try_get(1)?,
                status: row.try_get(2)?,
                created_at: row.try_get(3)?,
            })
        })
        .collect()
}
